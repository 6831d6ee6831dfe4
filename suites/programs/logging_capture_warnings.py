# warnings through logging, and lastResort
import logging
import warnings

logging.captureWarnings(True)
warnings.warn("through logging")
logging.getLogger("quiet").info("not seen")
logging.getLogger("loud").critical("seen")
