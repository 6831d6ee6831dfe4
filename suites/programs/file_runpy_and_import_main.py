# main imported under another name, and run again
import sys

print("running as", __name__)
if __name__ == "__main__":
    import __main__
    import runpy

    print(__main__ is sys.modules["__main__"])
    namespace = runpy.run_path(__file__, run_name="again")
    print(namespace["__name__"])
