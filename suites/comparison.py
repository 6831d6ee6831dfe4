"""Runs test modules inside and outside of a sandbox, and compares and reports the outcomes case by case.

The program is `cases.py`; `cpython.py` and `packages.py` choose the modules and trees.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from service import HERE, in_parallel

# Maximum time for one module. Longer ones are cut off, at the same point on both sides.
MODULE_MAX_S = 240
# Concurrent modules. Most of them wait more than they compute.
AT_ONCE = 2 * (os.cpu_count() or 1)
# How often a case that differs is repeated before it counts: some depend on time and load.
REPEATS = 2
# Modules between two progress messages.
PROGRESS_EVERY = 50
# The limits inside, high enough not to affect tests.
SETTINGS = {
    "NATIVE_MEMORY": "2g",
    "NATIVE_TMP_SIZE": "1g",
    "NATIVE_TMP_INODES": "200000",
    "NATIVE_PIDS_LIMIT": "500",
    "NATIVE_POOL_SIZE": "2",
    "MAX_TIMEOUT": "3600",
    "MAX_CONCURRENT": str(AT_ONCE),
    "MAX_FILE_SIZE": "50m",
}


class Outside:
    """A command that runs a program without our protections."""

    def __init__(self, command, env, user=None):
        self.command, self.env, self.user = command, env, user

    def run(self, code, job, time_max_s):
        """Runs one program; returns the record of its outcomes."""
        # A short path: names of sockets have at most 107 bytes.
        with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as folder:
            work = Path(folder)
            (work / "main.py").write_text(code)
            (work / "job.json").write_bytes(job)
            (work / "tmp").mkdir()
            if self.user:
                for path in (work, work / "tmp", work / "main.py", work / "job.json"):
                    os.chown(path, self.user.pw_uid, self.user.pw_gid)
            process = subprocess.Popen(
                [part.format(work=work) for part in self.command] + ["main.py"],
                cwd=work,
                env={name: value.format(work=work) for name, value in self.env.items()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            process.stdin.close()
            # Leftover processes may hold the pipe open for ever, so do not wait for end of file.
            threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
            try:
                process.wait(time_max_s)
            except subprocess.TimeoutExpired:
                pass
            end_group(process)
            outcomes = work / "outcomes.jsonl"
            text = outcomes.read_text() if outcomes.is_file() else ""
            subprocess.run(["chmod", "-R", "u+rwX", folder], capture_output=True)
            return text


def _drain(pipe):
    try:
        while pipe.read(65536):
            pass
    except (OSError, ValueError):
        pass


def end_group(process):
    """Kills the program and its leftovers in its session's first process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


class Comparison:
    """Runs modules on both sides."""

    def __init__(self, service, outside, expected, job):
        self.service, self.outside, self.expected, self.job = service, outside, expected, job
        self.code, self.done = (HERE / "cases.py").read_text(), 0

    def _job(self, module, only):
        return json.dumps({"module": module, "only": only, "time_max_s": MODULE_MAX_S, **self.job}).encode()

    def inside(self, module, only):
        """The outcomes of a module inside: id -> (outcome, words)."""
        job = self._job(module, only)
        answer = self.service.execute(self.code, MODULE_MAX_S + 60, files={"job.json": job})
        text = self.service.artifacts(answer).get("outcomes.jsonl", b"").decode()
        return outcomes(module, text, answer.get("error") or answer["stderr"])

    def without_walls(self, module, only):
        """The same outside."""
        job = self._job(module, only)
        return outcomes(module, self.outside.run(self.code, job, MODULE_MAX_S + 60), "")

    def both(self, module):
        """A module's outcomes on both sides, after repeating those that differ."""
        begun = time.monotonic()
        inside, outside = self.inside(module, None), self.without_walls(module, None)
        unsteady = 0
        for _ in range(REPEATS):
            differ = {
                name
                for name in different(inside, outside)
                if not self.expected.explains(known := cause(module, name, inside), *inside.get(known, ABSENT))
            }
            if not differ:
                break
            only = sorted(differ) if len(differ) <= 200 else None
            again_in, again_out = self.inside(module, only), self.without_walls(module, only)
            for name in differ:
                seen_in = {inside.get(name, ABSENT)[0], again_in.get(name, ABSENT)[0]}
                seen_out = {outside.get(name, ABSENT)[0], again_out.get(name, ABSENT)[0]}
                same = seen_in & seen_out - {ABSENT[0]}
                if same:
                    unsteady += 1
                    inside[name] = outside[name] = (same.pop(), "")
        self.done += 1
        if self.done % PROGRESS_EVERY == 0:
            print(f"{self.done} modules done", flush=True)
        return module, inside, outside, unsteady, time.monotonic() - begun


ABSENT = ("absent", "")


def outcomes(module, text, words):
    """Parses the record of `cases.py`; a module that did not finish gets an entry for that."""
    found, ended = {}, False
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if "outcome" in record:
            found[record["id"]] = (record["outcome"], record["words"])
        ended = ended or "end" in record
    if not ended and not any(name.endswith(".<set-up>") for name in found):
        found[f"{module}.<end>"] = ("crash", words)
    return found


def cause(module, name, inside):
    """The entry that represents a case that did not run: the set-up of its class or module, if that failed."""
    if name not in inside:
        case_class = name.rsplit(".", 1)[0]
        for set_up in (f"setUpClass ({case_class})", f"setUpModule ({module})", f"{module}.<set-up>", f"{module}.<end>", module):
            if set_up in inside:
                return set_up
    return name


def different(inside, outside):
    """The names of the cases that differ."""
    return {name for name in inside.keys() | outside.keys() if inside.get(name, ABSENT)[0] != outside.get(name, ABSENT)[0]}


def compare(service, outside, modules, expected, **job):
    """All modules on both sides."""
    return in_parallel(AT_ONCE, Comparison(service, outside, expected, job).both, modules)


def add_arguments(parser):
    """The command line options of both suites."""
    parser.add_argument("--list", action="store_true", help="print what the list of expected differences lacks")
    parser.add_argument("--record", type=Path, help="write all outcomes to this file, as JSON")


def report(results, expected, arguments):
    """Prints the numbers and the failures; returns the exit code."""
    kinds, reasons, missing, names, unsteady = Counter(), Counter(), {}, set(), 0
    for module, inside, outside, changing, seconds in results:
        names |= inside.keys() | outside.keys()
        unsteady += changing
        for name in sorted(inside.keys() | outside.keys()):
            one, other = inside.get(name, ABSENT), outside.get(name, ABSENT)
            if one[0] == other[0]:
                kinds[one[0]] += 1
                continue
            known = cause(module, name, inside)
            entry = expected.find(known, *inside.get(known, ABSENT))
            if entry:
                reasons[entry.reason] += 1
            else:
                missing.setdefault(known, (inside.get(known, ABSENT), outside.get(known, ABSENT), []))[2].append(name)
    stale = expected.stale(names, getattr(arguments, "group", "all") == "all" and not arguments.modules)
    if arguments.record:
        arguments.record.write_text(json.dumps(results))
    if arguments.list:
        # Sorted by message, so that cases with the same cause are together.
        for name, (one, other, _) in sorted(missing.items(), key=lambda entry: (entry[1][0][1], entry[0])):
            print(f"{one[0]} {name}  # outside: {other[0]}; {one[1] or other[1]}")
        return 0
    for name, (one, other, cases) in missing.items():
        more = f" ({len(cases)} cases)" if len(cases) > 1 else ""
        print(f"UNEXPLAINED {name}{more}\n    inside  {one[0]}: {one[1]}\n    outside {other[0]}: {other[1]}")
    for entry in stale:
        print(f"STALE {expected.path.name}:{entry.number}: `{entry.text}` no longer matches a difference: remove it")
    slowest = sorted(results, key=lambda result: -result[4])[:8]
    print("slowest:", ", ".join(f"{module} {seconds:.0f} s" for module, *_, seconds in slowest))
    for reason, count in reasons.most_common():
        print(f"{count:6}  differ as expected: {reason}")
    same, unexplained = sum(kinds.values()), sum(len(cases) for *_, cases in missing.values())
    print(f"{same:6}  the same: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    print(
        f"{same + sum(reasons.values()) + unexplained} cases of {len(results)} modules: {same} the same ({unsteady} of them not each time), "
        f"{sum(reasons.values())} differ as expected, {unexplained} unexplained, {len(stale)} entries stale"
    )
    return 1 if missing or stale else 0
