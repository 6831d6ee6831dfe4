import random
import re
from collections import Counter, defaultdict

text = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light"""
words = re.findall(r"[a-z]+", text.lower())
chain = defaultdict(list)
for a, b in zip(words, words[1:]):
    chain[a].append(b)
rng = random.Random(5)
word, out = "it", ["it"]
while len(out) < 12 and chain[word]:
    word = rng.choice(chain[word])
    out.append(word)
print(" ".join(out))
counts = Counter(words)
print(counts.most_common(4), len(words), len(counts))
print("average length", round(sum(map(len, words)) / len(words), 3), "longest", max(words, key=len))
letters = Counter("".join(words))
for letter, count in letters.most_common(5):
    print(f"{letter} {count:3d} {'*' * (count // 2)}")
