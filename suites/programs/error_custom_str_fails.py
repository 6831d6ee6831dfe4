# an exception whose text cannot be made
class Bad(Exception):
    def __str__(self):
        raise RuntimeError("no text")

raise Bad("x")
