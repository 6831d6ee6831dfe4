#!/usr/bin/env python3
"""Runs a part of numpy's and pandas's own tests inside and outside of a sandbox, and compares them case by case.

    suites/packages.py BINARY [--list] [FILE ...]

The tests come from the wheels that the runtime was built from, since its tree lacks them; pytest and hypothesis, which
they need, are downloaded. Inside is the native executor, through `POST /execute`, with raised limits and the default
templates; outside is the same tree in bubblewrap. The files are listed in `packages.txt`; intended differences are in
`expected/packages.txt`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from comparison import AT_ONCE, SETTINGS, Outside, add_arguments, compare, report
from service import HERE, Expected, Missing, Runtime, Service, bubblewrap, check_bubblewrap, skip_or_fail

PACKAGES = ("numpy", "pandas")
TOOLS = ("pytest==8.*", "hypothesis==6.*")
# Of the cases of a file every nth: most are one test with many parameters.
STEP = 5


def wheel_of(runtime, name, folder):
    """The wheel of a package in the runtime's version: the one that `setup` used, or a new download."""
    version = runtime.package_versions[name]
    cache = runtime.rootfs.parent.parent / "wheels"
    for place in (cache, folder):
        found = sorted(place.glob(f"{name}-{version}-*.whl"))
        if found:
            return found[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", folder]
    command += ["--python-version", "%d.%d" % runtime.version[:2], f"{name}=={version}"]
    if subprocess.run(command).returncode != 0:
        raise Missing(f"the wheel of {name} {version} with its tests is neither in {cache} nor can it be downloaded")
    return next(folder.glob(f"{name}-{version}-*.whl"))


def add_tests(runtime, interpreter, rootfs):
    """Adds the tests and their tools to a copy of the runtime's tree."""
    target = rootfs / runtime.packages.relative_to(runtime.rootfs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in PACKAGES:
            with zipfile.ZipFile(wheel_of(runtime, name, folder)) as wheel:
                for member in wheel.namelist():
                    # Only missing files: the rest is shared with the runtime by hard links.
                    if not member.endswith("/") and not (target / member).exists() and ".dist-info/" not in member:
                        wheel.extract(member, target)
        command = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder / "tools"]
        if subprocess.run([*command, *TOOLS]).returncode != 0:
            raise Missing(f"{', '.join(TOOLS)} cannot be downloaded")
        for path in (folder / "tools").iterdir():
            if not (target / path.name).exists():
                shutil.move(path, target / path.name)
    # Programs cannot write compiled files, so each would compile the tools again.
    subprocess.run([interpreter, "-m", "compileall", "-q", "-j", "0", target / "_pytest", target / "hypothesis"], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("modules", nargs="*", metavar="FILE")
    add_arguments(parser)
    arguments = parser.parse_intermixed_args()
    try:
        runtime = Runtime(arguments.binary)
        interpreter = runtime.host_interpreter()
        rootfs = runtime.copy("packages", " ".join(TOOLS), lambda tree: add_tests(runtime, interpreter, tree))
        check_bubblewrap(rootfs, runtime)
    except Missing as missing:
        return skip_or_fail(missing)
    listed = [line for line in (HERE / "packages.txt").read_text().splitlines() if line and not line.startswith("#")]
    files = arguments.modules or listed
    expected = Expected(HERE / "expected/packages.txt")
    print(f"{len(files)} files of the tests of {', '.join(PACKAGES)}, one case of {STEP}, {AT_ONCE} at once")
    outside = Outside(bubblewrap(rootfs, runtime, "{work}", runtime.env), runtime.env)
    with Service(arguments.binary, RUNTIME_ROOTFS=str(rootfs), **SETTINGS) as service:
        results = compare(service, outside, files, expected, kind="pytest", step=STEP)
    return report(results, expected, arguments)


if __name__ == "__main__":
    sys.exit(main())
