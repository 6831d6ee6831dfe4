# causes and contexts
def connect():
    raise ConnectionError("refused")

def query():
    try:
        connect()
    except ConnectionError as error:
        raise RuntimeError("query failed") from error

def handle():
    try:
        query()
    except RuntimeError:
        undefined_name

handle()
