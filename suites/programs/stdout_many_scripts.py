# text of many scripts, alignment and emoji
texts = ["Ελληνικά", "Кириллица", "עברית", "العربية", "हिन्दी", "ไทย", "한국어", "日本語", "中文", "👩‍👩‍👧‍👦", "e\u0301", "\u202eabc\u202c"]
for text in texts:
    print(f"{text:>12}|{len(text):3}|{text.encode('utf-8').hex()}|{text.casefold()}|{text!a}")
