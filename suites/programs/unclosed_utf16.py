# text in utf-16, never closed, with a function in a default argument
out = open("utf16.txt", "w", encoding="utf-16")

def say(text, file=out):
    print(text, file=file)

say("Grüße")
say("日本語")
say("🎉 done")
print(out.encoding)
