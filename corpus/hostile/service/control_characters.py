#! class: service
#! attack: NUL, escape sequences, carriage returns and every other control character: the answer must stay valid JSON
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-contains: \u0000nul
#! expect stdout-contains: \u001b[2J\u001b]0;title\u0007
#! expect stdout-contains: end of it
print("\0nul")
print("\x1b[2J\x1b]0;title\x07\x1b[6n\x1bP+q\x1b\\")
print("".join(map(chr, range(32))), "\x7f\x80\x85\x9b\u2028\u2029\ufeff\ufffe")
print("\r\n\r\n</script>\"'\\ end of it")
