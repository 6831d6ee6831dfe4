"""A running service and the prepared runtime, for the suites beside this file. Needs only the standard library."""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Longest wait for a service to become ready. The first start of templates takes seconds on a busy machine.
START_MAX_S = 60
# Longest wait for an answer, in addition to the program's own time.
ANSWER_MAX_S = 60

# A shell ignores SIGINT in background processes, and programs outside would inherit that. A signal with
# a handler is reset to its default in them (execve(2)).
signal.signal(signal.SIGINT, signal.default_int_handler)


class Missing(Exception):
    """A component that this machine lacks; the text says how to get it."""


def skip_or_fail(missing):
    """Reports a stage that cannot run: as a failure if everything is required, else as a visible skip."""
    if os.environ.get("REQUIRE_ALL"):
        print(f"FAILED: {missing}", file=sys.stderr)
        return 1
    print(f"SKIPPED: {missing}", file=sys.stderr)
    return 0


class Runtime:
    """The tree that `setup` prepared, with its manifest."""

    def __init__(self, binary):
        # Prints which of several trees this binary uses, and does nothing if it exists.
        said = subprocess.run([binary, "setup"], check=True, capture_output=True, text=True)
        found = re.search(r" in (\S.*/rootfs)$", said.stdout + said.stderr, re.M)
        if not found:
            raise Missing(f"`{binary} setup` does not print the path of the runtime: {said.stdout}{said.stderr}")
        self.rootfs = Path(found[1]).resolve()
        manifest = json.loads((self.rootfs.parent / "runtime.json").read_text())
        self.id, self.env = manifest["id"], manifest["env"]
        self.version = tuple(manifest["python"][part] for part in ("major", "minor", "micro"))
        self.packages = self.rootfs / manifest["site_packages"].lstrip("/")
        self.package_versions = {package["name"]: package["version"] for package in manifest["packages"]}
        self.skel = self.rootfs / "usr/share/python-sandbox/skel"

    @property
    def name(self):
        """`python3.X`, the name of the interpreter and its library."""
        return "python%d.%d" % self.version[:2]

    def library(self, rootfs=None):
        """The standard library, in this tree or in a copy."""
        for place in ("usr/lib", "usr/lib64"):
            path = (rootfs or self.rootfs) / place / self.name
            if (path / "os.py").is_file():
                return path
        raise Missing(f"no standard library in {rootfs or self.rootfs}")

    def host_interpreter(self):
        """The interpreter of this machine that the tree was built from: the executable with the same digest."""
        wanted = _digest(self.rootfs / "usr/bin" / self.name)
        names = ["python3.13", "python3.12", "python3.11", "python3.14", "python3"]
        places = [Path(folder) / name for name in names for folder in os.get_exec_path()]
        for place in places:
            if not place.is_file():
                continue
            question = "import os, sys; print(os.path.realpath(sys._base_executable))"
            answer = subprocess.run([place, "-I", "-c", question], capture_output=True, text=True)
            path = Path(answer.stdout.strip() or "/nowhere")
            if answer.returncode == 0 and path.is_file() and _digest(path) == wanted:
                return path
        raise Missing(f"the interpreter that {self.rootfs} was built from is not in PATH: run `python-sandbox setup --force`")

    def copy(self, name, key, fill):
        """A copy of the tree by hard links, to which `fill` adds files; created once for each `key`."""
        # Not among the runtimes, since `setup` scans those.
        parent = self.rootfs.parent.parent.parent / "suites"
        key = hashlib.sha256(f"{self.id} {self.rootfs.stat().st_ctime_ns} {key}".encode()).hexdigest()
        target, mark = parent / name / "rootfs", parent / name / "made-from"
        if mark.is_file() and mark.read_text() == key:
            return target
        shutil.rmtree(target.parent, ignore_errors=True)
        shutil.copytree(self.rootfs, target, symlinks=True, copy_function=_link)
        fill(target)
        mark.write_text(key)
        return target


def bubblewrap(rootfs, runtime, work, env):
    """The command that starts the interpreter of a tree with `work` as working directory, without our protections."""
    start = ["bwrap", "--die-with-parent", "--unshare-all", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    start += ["--ro-bind", str(rootfs), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--clearenv"]
    # As the agent does: new directories, links to the files.
    for entry in sorted(runtime.skel.rglob("*")):
        place = entry.relative_to(runtime.skel)
        source = f"/usr/share/python-sandbox/skel/{place}"
        start += ["--dir", f"/tmp/{place}"] if entry.is_dir() else ["--symlink", source, f"/tmp/{place}"]
    # The user and group lists, which the agent writes for each sandbox.
    for name in ["passwd", "group"]:
        source = f"{rootfs}/usr/share/python-sandbox/{name}"
        if os.path.exists(source):
            start += ["--ro-bind", source, f"/tmp/.sandbox/sandbox/{name}"]
    start += ["--bind", str(work), "/tmp/output", "--chdir", "/tmp/output"]
    for name, value in env.items():
        start += ["--setenv", name, value]
    return [*start, "/usr/bin/python3"]


def check_bubblewrap(rootfs, runtime):
    """Checks that programs can be run outside, or raises the reason."""
    if not shutil.which("bwrap"):
        raise Missing("bubblewrap is missing: `apt-get install bubblewrap`")
    with tempfile.TemporaryDirectory() as folder:
        trial = subprocess.run([*bubblewrap(rootfs, runtime, folder, {}), "-c", ""], capture_output=True, text=True)
    if trial.returncode != 0:
        raise Missing(f"bubblewrap cannot create a container here: {trial.stderr.strip()}")


def _digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _link(source, target, follow_symlinks=True):
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class Refused(Exception):
    """The service did not run a program, since its validator rejected it."""


class Service:
    """`serve` on a free port of loopback, with the validator's list of forbidden imports empty."""

    def __init__(self, binary, **settings):
        self._log = tempfile.NamedTemporaryFile("w+", prefix="suites-service-")
        env = os.environ | {
            "EXECUTOR_PROVIDER": "native",
            "EXECUTOR_FALLBACK_PROVIDERS": "",
            "FORBIDDEN_IMPORTS": "",
            "MAX_COMPLEXITY": "0",
            "MAX_OUTPUT_SIZE": "4m",
            "LOG_FORMAT": "text",
        }
        env |= settings
        self._process = subprocess.Popen([binary, "serve", "--port", "0"], env=env, stdin=subprocess.DEVNULL, stderr=self._log)
        self.url = None

    def __enter__(self):
        # The service ends with the suite.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        end = time.monotonic() + START_MAX_S
        while time.monotonic() < end and self._process.poll() is None:
            found = re.search(r" is ready at (http\S+)", self.log())
            if found:
                self.url = found[1].rstrip("/.")
                return self
            time.sleep(0.1)
        self.__exit__()
        raise Missing(f"the service did not become ready:\n{self.log()}")

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def log(self):
        """The service's log so far."""
        return Path(self._log.name).read_text(errors="replace")

    def execute(self, code, timeout, stdin="", files=None, env=None):
        """Runs one program; returns the answer as a dictionary. Any status other than 200 is an error of the suite."""
        body = {"code": code, "timeout": timeout, "stdin": stdin, "env": env or {}}
        body["files"] = {path: base64.b64encode(data).decode() for path, data in (files or {}).items()}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/execute", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout + ANSWER_MAX_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == 400:
                raise Refused(text) from None
            raise RuntimeError(f"status {error.code}: {text}\n{self.log()[-3000:]}") from None

    def artifacts(self, answer):
        """The bytes of each output file of an answer, by path."""
        contents = {}
        for artifact in answer["artifacts"]:
            with urllib.request.urlopen(artifact["url"], timeout=ANSWER_MAX_S) as download:
                contents[artifact["path"]] = download.read()
        return contents


class Expected:
    """A list of intended differences, as data.

    A line `= REASON` says why the entries below it differ; an entry is `WHAT PATTERN`: the outcome inside
    (several with `|`), and the name of a case, in which `*` matches any text. `?` before WHAT: it may differ or not,
    for example if the kernel or chance decides.
    """

    def __init__(self, path):
        self.path, self.entries, reason = path, [], None
        lines = path.read_text().splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            if line.startswith("= "):
                reason = line[2:].strip()
            elif line.strip() and not line.startswith("#"):
                what, _, pattern = line.split("  # ")[0].partition(" ")
                if not reason or not pattern.strip():
                    raise SystemExit(f"{path}:{number}: an entry needs a reason above it and a pattern")
                self.entries.append(_Entry(number, reason, what, pattern.strip()))

    def explains(self, name, what, words=""):
        """The entry that explains this difference, or None."""
        for entry in self.entries:
            if what in entry.whats and entry.words in words and entry.matches(name):
                return entry
        return None

    def find(self, name, what, words=""):
        """The same, and marks the entry as used."""
        entry = self.explains(name, what, words)
        if entry:
            entry.used = True
        return entry

    def stale(self, names, all_were_run):
        """The entries that explain nothing although a case of that name was run. For entries that match only by message
        this is unknown until all were run."""
        unused = [entry for entry in self.entries if not entry.used and not entry.may_agree]
        return [entry for entry in unused if (all_were_run or not entry.words) and any(map(entry.matches, names))]


class _Entry:
    def __init__(self, number, reason, what, pattern):
        self.number, self.reason = number, reason
        self.text = f"{what} {pattern}"
        self.pattern, _, self.words = pattern.partition(" ~ ")
        self.may_agree = what.startswith("?")
        self.whats = set(what.lstrip("?").split("|"))
        self.used = False
        self.regex = ".*".join(map(re.escape, self.pattern.split("*"))) + r"\Z"
        self._compiled = re.compile(self.regex, re.S)

    def matches(self, name):
        """Whether the pattern matches this case."""
        return self._compiled.match(name) is not None


def in_parallel(count, work, items):
    """Runs `work` for each item, `count` concurrently; returns the results in order. The first exception ends all."""
    results, errors, queue, lock = [None] * len(items), [], list(enumerate(items)), threading.Lock()

    def serve():
        while True:
            with lock:
                if not queue or errors:
                    return
                index, item = queue.pop(0)
            try:
                results[index] = work(item)
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                errors.append(error)

    threads = [threading.Thread(target=serve) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
