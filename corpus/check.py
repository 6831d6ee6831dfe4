"""Checks the headers of every program of the corpus, and that each compiles; prints counts. See README.md for the format.

Needs only the standard library. Exits with 1 if there is a problem, so that CI can use it.
"""

import base64
import binascii
import json
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLASSES = {
    "host-read", "host-write", "artifact", "network", "kernel", "privilege", "neighbour",
    "truth", "memory", "cpu", "disk", "process", "service", "leftover",
}  # fmt: skip
KINDS = {"exited", "timeout", "out_of_memory", "process_limit", "disk_limit", "output_limit", "denied_syscall", "signal", "cancelled"}
REASONS = {
    "symlink", "hard_link", "fifo", "socket", "device", "name_not_utf8", "too_large", "total_too_large",
    "too_many", "not_regular", "too_deep", "unreadable", "storage_full", "storage_failed",
}  # fmt: skip
EXECUTORS = {"native", "docker", "gvisor", "kata", "firecracker"}
FORBIDDEN = {"os", "subprocess", "socket", "sys", "importlib", "ctypes", "multiprocessing", "threading", "builtins"}
TIMEOUT_MAX_S = 30
CODE_CHARS_MAX = 50_000
# The allowed values of each key, and whether it may be repeated.
COMMON = {"timeout": False, "stdin": False, "executors": False}
BENIGN = COMMON | {"files": False, "forbidden": False, "stderr": False}
HOSTILE = COMMON | {
    "class": False, "attack": False, "validator": False, "then": False, "repeat": False,
    "expect kind": False, "expect exit_code": False, "expect success": False, "expect within": False,
    "expect stdout": False, "expect stdout-contains": True, "expect stdout-lacks": True,
    "expect stderr-contains": True, "expect stderr-lacks": True,
    "expect stdout-truncated": False, "expect stderr-truncated": False,
    "expect artifacts": False, "expect artifact-count": False, "expect skipped": True, "expect listed": True,
}  # fmt: skip


class Problem(Exception):
    """An invalid header."""


def parse(text):
    """The header as a list of (key, value): the lines at the top that begin with `#!`."""
    header = []
    for line in text.split("\n"):
        if not line.startswith("#!"):
            break
        key, colon, value = line[2:].partition(":")
        if not colon:
            raise Problem(f"no colon in {line!r}")
        header.append((key.strip(), value.strip()))
    return header


def unescape(value):
    """The value with the escapes of a JSON string resolved."""
    try:
        return json.loads(f'"{value}"')
    except ValueError as error:
        raise Problem(f"{value!r} is not the inside of a JSON string: {error}") from None


def names(value):
    """A comma-separated list of names, each with its escapes resolved."""
    return [unescape(name.strip()) for name in value.split(",") if name.strip()]


def one_of(value, allowed):
    """Rejects a value that is not allowed."""
    if value not in allowed:
        raise Problem(f"{value!r} is none of {', '.join(sorted(allowed))}")


def number(value, low, high):
    """Rejects a value that is not a whole number within the bounds."""
    if not value.isdigit() or not low <= int(value) <= high:
        raise Problem(f"{value!r} is not a number from {low} to {high}")


def check_value(key, value, path):
    """Rejects a value that its key does not accept."""
    if key == "class":
        one_of(value, {path.parent.name} & CLASSES)
    elif key == "validator":
        one_of(value, {"accepts", "rejects"})
    elif key == "forbidden":
        one_of(value, {"off"})
    elif key == "stderr":
        one_of(value, {"any"})
    elif key == "repeat":
        one_of(value, {"differs"})
    elif key in ("expect success", "expect stdout-truncated", "expect stderr-truncated"):
        one_of(value, {"true", "false"})
    elif key == "timeout":
        number(value, 1, TIMEOUT_MAX_S)
    elif key == "expect within":
        number(value, 1, 60)
    elif key == "expect exit_code":
        number(value, 0, 255)
    elif key == "expect artifact-count":
        number(value, 0, 10)
    elif key == "expect kind":
        for kind in value.split(","):
            one_of(kind.strip(), KINDS)
    elif key == "executors":
        for executor in value.split(","):
            one_of(executor.strip(), EXECUTORS)
    elif key == "expect skipped":
        name, equals, reason = value.rpartition("=")
        if not equals or not unescape(name):
            raise Problem(f"{value!r} is not path=reason")
        one_of(reason, REASONS)
    elif key in ("files", "expect artifacts"):
        if names(value) != sorted(names(value)):
            raise Problem("names are not sorted")
    elif key.startswith(("expect std", "env ")) or key in ("expect listed", "stdin"):
        unescape(value)
    elif key.startswith("input "):
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise Problem(f"not base64: {error}") from None
    elif key == "then" and not (path.parent / value).is_file():
        raise Problem(f"there is no {value}")


def imports_forbidden(code):
    """Whether a plain import names a module that is forbidden by default."""
    for line in code.split("\n"):
        words = line.replace(",", " ").split()
        if len(words) > 1 and words[0] in ("import", "from"):
            found = words[1:] if words[0] == "import" else words[1:2]
            if any(word.split(".")[0] in FORBIDDEN for word in found):
                return True
    return False


def check_consistency(header, path, text):
    """Checks a header's lines against each other and the program."""
    values = dict(header)
    if path.parent.name == "benign":
        if not path.with_suffix(".out").is_file():
            raise Problem("there is no file with the expected output beside it")
        if imports_forbidden(text) != ("forbidden" in values):
            raise Problem("`forbidden: off` and the imports do not fit")
        return
    for key in ("class", "attack", "validator"):
        if not values.get(key):
            raise Problem(f"no `{key}`")
    if not any(key.startswith("expect") for key, _ in header):
        raise Problem("nothing is expected")
    if imports_forbidden(text) != (values["validator"] == "rejects"):
        raise Problem("`validator` and the imports do not fit")
    if values.get("expect success") == "true" and values.get("expect exit_code", "0") != "0":
        raise Problem("success with an exit code other than 0")
    if values.get("expect success") == "false" and "expect kind" not in values:
        raise Problem("failure without `expect kind`")
    if "CANARY" + "-7f3a" in text:
        raise Problem("the canary's text stands in the program, so a traceback would show it")


def check(path):
    """The header of one program; raises Problem."""
    text = path.read_text(encoding="utf-8")
    if len(text) > CODE_CHARS_MAX:
        raise Problem("longer than the service takes")
    header = parse(text)
    known = BENIGN if path.parent.name == "benign" else HOSTILE
    seen = Counter(key for key, _ in header)
    for key, value in header:
        if not key.startswith(("input ", "env ")):
            if key not in known:
                raise Problem(f"unknown key `{key}`")
            if seen[key] > 1 and not known[key]:
                raise Problem(f"`{key}` stands more than once")
        check_value(key, value, path)
    check_consistency(header, path, text)
    try:
        compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Problem(f"does not compile: {error}") from None
    return dict(header)


def main():
    """Checks everything, prints the problems and the counts."""
    problems, groups, validator = [], Counter(), Counter()
    programs = sorted(HERE.glob("benign/*.py")) + sorted(HERE.glob("hostile/*/*.py"))
    for path in programs:
        try:
            header = check(path)
        except (Problem, UnicodeDecodeError) as problem:
            problems.append(f"{path.relative_to(HERE)}: {problem}")
            continue
        groups[path.parent.name] += 1
        if path.parent.name == "benign":
            validator["benign, run with the empty list only"] += "forbidden" in header
        else:
            validator[f"hostile, validator {header['validator']}"] += 1
    for out in HERE.glob("benign/*.out"):
        if not out.with_suffix(".py").is_file():
            problems.append(f"{out.relative_to(HERE)}: no program beside it")
    for folder in HERE.glob("hostile/*"):
        if folder.is_dir() and folder.name not in CLASSES:
            problems.append(f"{folder.relative_to(HERE)}: unknown class")
    for name, count in sorted((groups | validator).items()):
        print(f"{count:5}  {name}")
    print(f"{len(programs):5}  programs, {len(problems)} problems")
    for problem in problems:
        print("problem:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
