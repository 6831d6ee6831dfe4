import collections
import json

words = "the quick brown fox jumps over the lazy dog and the cat".split()
print(json.dumps(collections.Counter(words).most_common(2)))
