#!/usr/bin/env python3
"""Runs ordinary programs inside and outside of a sandbox, and compares the results.

    suites/differential.py BINARY [--list] [NAME ...]

Each program of `programs/` and of the benign corpus is sent to `POST /execute`, and also runs as a file `main.py`
under the same interpreter with the same packages outside: in bubblewrap, with the same tree as `/` but without our
protections, runner and templates. Exit code, both streams and the output files must be equal byte for byte, except for
unavoidable differences (addresses, process ids, names of temporary files, the time of day, the directory of main.py).
Intended differences are in `expected/differential.txt`. NAME: only programs whose name contains it.
"""

import argparse
import base64
import difflib
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

from service import HERE, Expected, Missing, Refused, Runtime, Service, bubblewrap, check_bubblewrap, in_parallel, skip_or_fail

sys.path.insert(0, str(HERE.parent / "corpus"))
from check import parse, unescape  # noqa: E402 - the corpus is not a package

PROGRAM_MAX_S = 30
AT_ONCE = os.cpu_count() or 1
# A program that differs is repeated: some depend on time and load.
REPEATS = 2
# Maximum lines of one difference to show.
DIFF_LINES_MAX = 40
# Maximum characters of a line to show.
LINE_CHARS_MAX = 160
SETTINGS = {"NATIVE_MEMORY": "512m", "MAX_TIMEOUT": "60", "MAX_FILE_COUNT": "100"}


class Program:
    """One program with its header, in the corpus's format."""

    def __init__(self, path):
        self.name, self.code = path.stem, path.read_text(encoding="utf-8")
        self.stdin, self.files, self.env = "", {}, {}
        for key, value in parse(self.code):
            if key == "stdin":
                self.stdin = unescape(value)
            elif key.startswith("input "):
                self.files[unescape(key[6:])] = base64.b64decode(value)
            elif key.startswith("env "):
                self.env[key[4:]] = unescape(value)


class Result:
    """The result of a program."""

    def __init__(self, exit_code, stdout, stderr, files):
        self.parts = {"exit_code": f"{exit_code}", "stdout": plain(stdout), "stderr": plain(stderr)}
        self.parts["files"] = "\n".join(f"{path}: {content(path, data)}" for path, data in sorted(files.items()))

    def differences(self, other):
        """The names of the parts that differ."""
        return [name for name, text in self.parts.items() if text != other.parts[name]]


TODAY = time.strftime("%Y-%m-%d", time.gmtime())
# Parts that always differ between two runs of one program, with their placeholders.
ALWAYS_DIFFERENT = [
    (r"(?<![\w.])(/[\w.-]+)*/main\.py\b", "main.py"),
    (r"\b0x[0-9a-fA-F]{6,16}\b", "ADDRESS"),
    (r"/tmp/tmp[a-z0-9_]{8}\b", "/tmp/TEMPORARY"),
    (r"\b(pid[ =:]+|ForkPoolWorker-|pymp-)\w+", r"\1N"),
    (r"(started(?: daemon)?|MainThread,) \d+", r"\1 N"),
    (r"\bThread-140\d{12}\b|\b14\d{13}\b", "NUMBER"),
    (r"\b(Ran \d+ tests? in) [\d.]+s", r"\1 TIME"),
    (rf"{TODAY}[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|\+00:00)?", "NOW"),
    (r"<dc:date>.*?</dc:date>|/CreationDate \([^)]*\)|/ModDate \([^)]*\)|<dcterms:\w+ .*?</dcterms:\w+>", "DATE"),
    (r"\[<[0-9a-f]{32}><[0-9a-f]{32}>\]", "DIGESTS"),
]


def plain(data):
    """Text with placeholders for parts that always differ."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    for pattern, instead in ALWAYS_DIFFERENT:
        text = re.sub(pattern, instead, text)
    return text


def content(path, data):
    """A file's content in a comparable form: archives are unpacked, since they contain times."""
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return {name: content(name, archive.read(name)) for name in sorted(archive.namelist())}
        if data[:2] == b"\x1f\x8b":
            return {"gzip": content(path, gzip.decompress(data))}
        if re.search(r"\.(tar|tgz)(\.\w+)?$", path):
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                return {
                    member.name: content(member.name, archive.extractfile(member).read()) if member.isfile() else str(member.type)
                    for member in archive
                }
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError):
        # Truncated: compare its bytes.
        pass
    if path.endswith(".pdf"):
        return plain(data.decode("latin-1"))
    if path.endswith(".svg"):
        # matplotlib creates the ids of its elements from random numbers.
        data = re.sub(rb'([#"])[mpC]\w{9,12}(?=[")_])', rb"\1ID", data)
    try:
        return plain(data.decode()) if path.endswith((".txt", ".log", ".csv", ".svg", ".xml", ".md")) else data
    except UnicodeDecodeError:
        return data


class Sides:
    """Runs one program on either side."""

    def __init__(self, service, runtime):
        self.service, self.runtime = service, runtime

    def inside(self, program):
        """As submitted to the service."""
        try:
            answer = self.service.execute(program.code, PROGRAM_MAX_S, program.stdin, program.files, program.env)
        except Refused as refused:
            return Result("refused", "", str(refused), {})
        return Result(answer["exit_code"], answer["stdout"], answer["stderr"], self.service.artifacts(answer))

    def outside(self, program):
        """As a file."""
        with tempfile.TemporaryDirectory(prefix="differential-") as folder:
            work = Path(folder)
            for path, data in {**program.files, "main.py": program.code.encode()}.items():
                (work / path).parent.mkdir(parents=True, exist_ok=True)
                (work / path).write_bytes(data)
            command = bubblewrap(self.runtime.rootfs, self.runtime, folder, {**self.runtime.env, **program.env})
            command.append("main.py")
            try:
                run = subprocess.run(command, input=program.stdin.encode(), capture_output=True, timeout=2 * PROGRAM_MAX_S)
                code, stdout, stderr = run.returncode, run.stdout, run.stderr
            except subprocess.TimeoutExpired as late:
                code, stdout, stderr = 124, late.stdout or b"", late.stderr or b""
            files = {str(path.relative_to(work)): path.read_bytes() for path in work.rglob("*") if path.is_file() and not path.is_symlink()}
            files = {path: data for path, data in files.items() if program.files.get(path) != data}
            if files.get("main.py") == program.code.encode():
                del files["main.py"]
            return Result(code, stdout, stderr, files)

    def compare(self, program):
        """The last pair of results, and the number of runs until they were equal; None if they never were."""
        for attempt in range(1 + REPEATS):
            inside, outside = self.inside(program), self.outside(program)
            if not inside.differences(outside):
                return inside, outside, attempt
        return inside, outside, None


def shortened(line):
    """A line that may be long, such as the bytes of a file: its beginning, length and digest."""
    if len(line) <= LINE_CHARS_MAX:
        return line
    digest = hashlib.sha256(line.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{line[:LINE_CHARS_MAX]}... ({len(line)} characters, {digest})"


def show(program, inside, outside, part):
    """Prints a difference."""
    was, now = ([shortened(line) for line in result.parts[part].split("\n")] for result in (outside, inside))
    lines = list(difflib.unified_diff(was, now, f"{program.name} {part} outside", "inside", "", n=2, lineterm=""))
    for line in lines[:DIFF_LINES_MAX]:
        print("   ", line)
    if len(lines) > DIFF_LINES_MAX:
        print(f"    ... {len(lines) - DIFF_LINES_MAX} lines more")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true", help="print what the list of expected differences lacks")
    arguments = parser.parse_intermixed_args()
    try:
        runtime = Runtime(arguments.binary)
        check_bubblewrap(runtime.rootfs, runtime)
    except Missing as missing:
        return skip_or_fail(missing)
    paths = sorted((HERE / "programs").glob("*.py")) + sorted((HERE.parent / "corpus/benign").glob("*.py"))
    programs = [Program(path) for path in paths]
    if arguments.names:
        programs = [program for program in programs if any(name in program.name for name in arguments.names)]
    expected = Expected(HERE / "expected/differential.txt")
    with Service(arguments.binary, **SETTINGS) as service:
        compared = in_parallel(AT_ONCE, Sides(service, runtime).compare, programs)
    same, meant, unsteady, wrong, cases = 0, 0, [], [], set()
    for program, (inside, outside, attempt) in zip(programs, compared):
        cases |= {f"{program.name}:{part}" for part in inside.parts}
        missing = [part for part in inside.differences(outside) if not expected.find(f"{program.name}:{part}", "differs")]
        if attempt is not None:
            same += 1
            if attempt:
                unsteady.append(program.name)
        elif not missing:
            meant += 1
        else:
            wrong.append(program.name)
            for part in missing:
                if arguments.list:
                    print(f"differs {program.name}:{part}")
                else:
                    print(f"DIFFERENT {program.name}: {part}")
                    show(program, inside, outside, part)
    stale = expected.stale(cases, not arguments.names)
    for entry in stale:
        print(f"STALE {expected.path.name}:{entry.number}: `{entry.text}` no longer matches a difference: remove it")
    if unsteady:
        print("not the same each time:", ", ".join(unsteady))
    print(
        f"{len(programs)} programs: {same} the same ({len(unsteady)} not each time), {meant} differ as expected, "
        f"{len(wrong)} unexplained, {len(stale)} entries stale"
    )
    return 1 if wrong or stale else 0


if __name__ == "__main__":
    sys.exit(main())
