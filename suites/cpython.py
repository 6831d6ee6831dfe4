#!/usr/bin/env python3
"""Runs CPython's own regression tests inside and outside of a sandbox, and compares them case by case.

    suites/cpython.py BINARY [near|all] [--list] [MODULE ...]

Inside is the native executor, through `POST /execute`, with raised limits; outside is the interpreter that the runtime
was built from, as an ordinary user. Each module is one program (`cases.py`). Intended differences are in
`expected/cpython.txt`; any other makes this exit with 1, and so does an entry of that list that no longer differs.
`--list` prints entries for the differences that the list lacks, to be completed with a reason.
"""

import argparse
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from comparison import AT_ONCE, SETTINGS, Outside, add_arguments, compare, report
from service import HERE, Expected, Missing, Runtime, Service, skip_or_fail

# Compiled parts of the tests, which are beside those of the standard library.
TEST_LIBRARIES = ("_test", "_ctypes_test", "_xxtestfuzz", "xxlimited")
# Without privileges, but with an entry in the system's user list.
ORDINARY_USER = "nobody"


def standard_library(interpreter):
    """The directory of the interpreter's standard library."""
    command = [interpreter, "-I", "-c", "import os; print(os.path.dirname(os.__file__))"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def tests_of(interpreter, runtime):
    """The interpreter's `test` package; raises an explanation if it is missing."""
    library = standard_library(interpreter)
    # Debian's package without the tests still has the part that other packages' tests use.
    if (library / "test/test_io.py").is_file() or (library / "test/test_io").is_dir():
        return library
    hint = f"`apt-get install lib{runtime.name}-testsuite`" if str(library).startswith("/usr/lib/") else "install them with the interpreter"
    raise Missing(f"{interpreter} has no tests: {hint} (looked in {library / 'test'})")


def add_tests(runtime, library, rootfs):
    """Adds the tests to a copy of the runtime's tree, and removes the packages: the interpreter outside has none."""
    target = runtime.library(rootfs)
    # The time zones are in a package too.
    zones = rootfs / "usr/share/zoneinfo"
    if zones.is_symlink():
        source = runtime.rootfs / "usr/share/zoneinfo"
        zones.unlink()
        shutil.copytree(source, zones)
    shutil.rmtree(rootfs / runtime.packages.relative_to(runtime.rootfs))
    for folder in ("test", "unittest/test", "ctypes/test", "sqlite3/test"):
        if (library / folder).is_dir():
            shutil.copytree(library / folder, target / folder, symlinks=False)
    for path in (library / "lib-dynload").glob("*.so"):
        if path.name.startswith(TEST_LIBRARIES):
            shutil.copy2(path, target / "lib-dynload" / path.name)


def read_modules(path, library):
    """The modules of each group in the file that exist in this version: `near` and `all`."""
    groups, group = {"near": [], "not": []}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            group = groups[line.strip("[]")]
        elif line and not line.startswith("#"):
            group.extend(line.split())

    def modules(name):
        """The modules below a name; none if this version does not have it."""
        full = name if name.startswith("unittest.") else f"test.{name}"
        path = library / full.replace(".", "/")
        if path.with_suffix(".py").is_file():
            return [full]
        found = [f"{full}.{p.stem}" for p in sorted(path.glob("test_*.py"))]
        found += [m for p in sorted(path.glob("test_*/")) if p.is_dir() for m in modules(f"{full.removeprefix('test.')}.{p.name}")]
        # Tests in the package itself.
        return found or ([full] if (path / "__init__.py").is_file() else [])

    left_out = {module for name in groups["not"] for module in modules(name)}
    names = sorted({p.stem for p in (library / "test").glob("test_*") if p.name != "test_support"} | {"test_support", "unittest.test"})
    every = [module for name in names for module in modules(name) if module not in left_out]
    near = [module for name in groups["near"] for module in modules(name)]
    return {"near": near, "all": list(dict.fromkeys(near + every))}


# In a new mount namespace: "$2", which may be below "$1" that is closed to other users, is made accessible, and the
# machine's packages, in "$3" separated by spaces, are hidden, since the sandbox has none.
ARRANGE = """
mount --make-rprivate /
if [ -n "$1" ]; then
    aside=$(mktemp -d) && mount --bind "$2" "$aside" && mount -t tmpfs -o mode=755 none "$1"
    mkdir -p "$2" && mount --move "$aside" "$2" && rmdir "$aside"
fi
for directory in $3; do mount -t tmpfs -o mode=755 none "$directory"; done
shift 3
exec "$@"
"""
PACKAGES = "import os, site; print(*filter(os.path.isdir, site.getsitepackages()))"


def outside_command(interpreter, runtime):
    """The machine's interpreter, as a user without privileges who has an entry in the system's user list."""
    user = pwd.getpwnam(ORDINARY_USER) if os.getuid() == 0 else None
    command = [str(interpreter)]
    if user:
        command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
        prefix = interpreter.parent.parent
        closed = [str(path) for path in reversed(prefix.parents) if not path.stat().st_mode & 0o001]
        packages = subprocess.run([interpreter, "-I", "-c", PACKAGES], check=True, capture_output=True, text=True).stdout.strip()
        command = ["unshare", "--mount", "sh", "-ec", ARRANGE, "sh", (closed or [""])[0], str(prefix), packages, *command]
    path = f"{interpreter.parent}:/usr/bin:/bin:/usr/sbin:/sbin"
    env = dict(runtime.env, PATH=path, HOME="{work}/tmp", TMPDIR="{work}/tmp")
    trial = [*command, "-I", "-c", "import os, ssl, sqlite3"]
    run = subprocess.run(trial, capture_output=True, text=True, cwd="/", env=dict(env, TMPDIR="/tmp", HOME="/"))
    if run.returncode != 0:
        raise Missing(f"{interpreter} does not run outside: {run.stderr.strip()}")
    return Outside(command, env, user)


# Modules that take longer than half a minute.
LONG = {
    "test.test_subprocess", "test.test_io", "test.test_signal", "test.test_asyncio.test_subprocess", "test.test_threading",
    "test.test_pickle", "test.test_tarfile", "test.test_zipfile", "test.test_multiprocessing_main_handling",
    "test.test_multiprocessing_fork", "test.test_multiprocessing_spawn", "test.test_multiprocessing_forkserver",
    "test.test_concurrent_futures", "test.test_faulthandler", "test.test_pdb", "test.test_tempfile", "test.test_logging",
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("group", nargs="?", default="near", choices=["near", "all"])
    parser.add_argument("modules", nargs="*")
    add_arguments(parser)
    arguments = parser.parse_intermixed_args()
    try:
        runtime = Runtime(arguments.binary)
        interpreter = runtime.host_interpreter()
        library = tests_of(interpreter, runtime)
        rootfs = runtime.copy("cpython", f"{library} {library.stat().st_mtime_ns}", lambda tree: add_tests(runtime, library, tree))
        outside = outside_command(interpreter, runtime)
    except Missing as missing:
        return skip_or_fail(missing)
    modules = arguments.modules or read_modules(HERE / "cpython-modules.txt", library)[arguments.group]
    # The longest known ones first, or they would run alone at the end.
    modules = sorted(modules, key=lambda module: (module not in LONG, modules.index(module)))
    expected = Expected(HERE / "expected/cpython.txt")
    print(f"{len(modules)} modules of the tests of {interpreter}, {AT_ONCE} at once")
    with Service(arguments.binary, RUNTIME_ROOTFS=str(rootfs), NATIVE_TEMPLATES="", **SETTINGS) as service:
        # Checking that they still hang takes longer than all others together.
        hanging = [entry.regex for entry in expected.entries if entry.whats == {"hang"} and arguments.group == "near"]
        results = compare(service, outside, modules, expected, kind="unittest", without=hanging)
    return report(results, expected, arguments)


if __name__ == "__main__":
    sys.exit(main())
