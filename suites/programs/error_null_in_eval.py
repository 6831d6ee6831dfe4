# errors of code that the program compiles itself
for text in ("1 +", "import", "x = = 2", "'"):
    try:
        compile(text, "<input>", "exec")
    except SyntaxError as error:
        print(error.msg, error.lineno, error.offset, error.text)
eval("1 / 0", {})
