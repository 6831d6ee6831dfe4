# an own showwarning and formatwarning
import warnings

def one_line(message, category, filename, lineno, line=None):
    return f"{category.__name__} in line {lineno}: {message}\n"

warnings.formatwarning = one_line
warnings.warn("formatted")
warnings.showwarning = lambda message, *rest, **more: print("shown:", message)
warnings.warn("shown")
