# notes on an exception
error = KeyError("customer")
try:
    raise error
except KeyError as caught:
    caught.add_note("hint: upload the file first")
    caught.add_note("second note\nwith two lines")
    raise
