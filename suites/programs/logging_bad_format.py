# an error inside of logging
import logging

logging.error("wrong %d arguments %s", "text")
print("goes on")
