#! class: service
#! attack: an exception whose text, name and traceback fail, print or never end
#! validator: accepts
#! timeout: 3
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect within: 8
class Evil(Exception):
    def __str__(self):
        print("asked for the text")
        raise Evil()

    __repr__ = __str__

    @property
    def __notes__(self):
        raise Evil()


Evil.__name__ = Evil.__qualname__ = "\n\nTraceback\r\x1b[2J"
raise Evil(Evil())
