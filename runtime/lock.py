#!/usr/bin/env python3
"""Writes the lock of each list (`packages-minimal.in`, `packages-full.in`): every required package, pinned, with the
digest of each wheel.

    python3 runtime/lock.py            write the locks (newest versions available for every target)
    python3 runtime/lock.py --check    exit 1 if a lock is out of date with its list

Needs CPython 3.11 with `venv`, and the network. Only metadata is fetched, no wheel. Every target and both lists get the
same versions: the oldest interpreter is resolved first for the list `full`, and its result constrains the others. pip
evaluates environment markers for the interpreter that runs it, so a package that only some versions need would be missed:
if the sets of the targets differ, no lock is written.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
# `full` first: it contains the other.
LISTS = ["full", "minimal"]

# Oldest first: its result constrains the rest. A version marked optional may lack wheels.
PYTHON_VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
MACHINES = ["x86_64", "aarch64"]
# glibc 2.28 (Debian 10, RHEL 8) is the oldest for which current wheels of the scientific stack are built.
GLIBC_MINOR_MAX = 28
GLIBC_MINOR_MIN = 17

HEADER = """\
# Made by runtime/lock.py from runtime/packages-{name}.in; do not edit by hand.
# Targets: CPython {versions} on Linux (glibc 2.{glibc} or newer), {machines}.
"""


def platforms(machine):
    """The acceptable wheel platform tags, best first."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR_MAX, GLIBC_MINOR_MIN - 1, -1)]
    return [*tags, f"manylinux2014_{machine}"]


def resolve(pip, requirements, constraints, version, machine):
    """What pip would install for one target, as {name: (version, {sha256, ...})}."""
    command = [pip, "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--only-binary", ":all:"]
    command += ["--target", "unused", "--implementation", "cp", "--python-version", version]
    for platform in platforms(machine):
        command += ["--platform", platform]
    command += ["--requirement", str(requirements)]
    if constraints.exists():
        command += ["--constraint", str(constraints)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"no set of wheels for CPython {version} on {machine}:\n{done.stderr}")
    found = {}
    for item in json.loads(done.stdout)["install"]:
        name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        found[name] = (item["metadata"]["version"], {digest})
    return found


def resolve_all(pip, requirements, pins):
    """One set of versions for every target, with all digests. The file `pins` constrains them; the first target writes it."""
    merged = {}
    for version in PYTHON_VERSIONS:
        for machine in MACHINES:
            found = resolve(pip, requirements, pins, version, machine)
            print(f"{requirements.name}, CPython {version} on {machine}: {len(found)} packages", file=sys.stderr)
            if not pins.exists():
                pins.write_text("".join(f"{name}=={pin}\n" for name, (pin, _) in sorted(found.items())))
            if not merged:
                merged = found
            elif found.keys() != merged.keys():
                raise SystemExit(f"CPython {version} on {machine} needs another set: {sorted(found.keys() ^ merged.keys())}")
            for name, (_, digests) in found.items():
                merged[name][1].update(digests)
    return merged


def render(name, packages):
    """The text of a lock file."""
    header = {"name": name, "versions": ", ".join(PYTHON_VERSIONS), "glibc": GLIBC_MINOR_MAX}
    text = HEADER.format(**header, machines=" and ".join(MACHINES))
    for package, (version, digests) in sorted(packages.items()):
        lines = [f"{package}=={version}", *(f"    --hash=sha256:{digest}" for digest in sorted(digests))]
        text += " \\\n".join(lines) + "\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="python-sandbox-lock-") as directory:
        work = pathlib.Path(directory)
        venv.create(work / "venv", with_pip=True)
        pip = str(work / "venv" / "bin" / "pip")
        # The reports of --dry-run without downloads need a newer pip than some interpreters include.
        subprocess.run([pip, "install", "--quiet", "--upgrade", "pip"], check=True)
        pins = work / "pins.txt"
        texts = {name: render(name, resolve_all(pip, HERE / f"packages-{name}.in", pins)) for name in LISTS}
    for name, text in texts.items():
        lock = HERE / f"packages-{name}.lock"
        if not options.check:
            lock.write_text(text)
        elif lock.read_text() != text:
            raise SystemExit(f"{lock.name} is out of date with its list (hint: python3 runtime/lock.py)")


if __name__ == "__main__":
    main()
