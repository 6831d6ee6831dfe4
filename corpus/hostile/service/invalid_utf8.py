#! class: service
#! attack: bytes that are not UTF-8: each becomes U+FFFD, the rest is kept
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-contains: start \ufffd
#! expect stdout-contains: \ufffd end
with open(1, "wb", closefd=False) as out:
    out.write(b"start \xff\xfe\xc0\xaf\xed\xa0\x80\xf8\x88\x80\x80\x80 middle \xe2\x82 and \xf0\x9f\x98 end\n")
