"""Runs one test module and records the outcome of each case; the program that `comparison.py` sends.

The same text runs inside and outside of a sandbox. `job.json` in the working directory defines what to run;
`outcomes.jsonl` beside it gets a line when a case begins (`begin`) and one when it ends (`id`, `outcome`, `words`).
A child runs the cases and this process watches it: a case that hangs or crashes the child is recorded, and
a new child continues after it.
"""

import json
import os
import signal
import sys
import time

HERE = os.getcwd()
OUTCOMES = os.path.join(HERE, "outcomes.jsonl")
# A case or a set-up that takes longer counts as a hang.
CASE_MAX_S = 40
WORDS_MAX = 300
# Worst first: the outcome of a case that ran several times or has subtests.
RANKS = ["hang", "crash", "error", "fail", "unexpected", "xfail", "skip", "pass"]


def write(**record):
    """Writes one line of the record immediately: this process may be killed the next moment."""
    descriptor = os.open(OUTCOMES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, json.dumps(record).encode() + b"\n")
    os.close(descriptor)


def read():
    """The record so far."""
    try:
        with open(OUTCOMES, "rb") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def run_unittest(job, done):
    """In the child: runs the remaining cases of a module of CPython's tests."""
    import re
    import traceback
    import unittest

    def said(error):
        """An exception, and the line that raised it, which distinguishes blocked calls."""
        frames = traceback.extract_tb(error[2])
        line = (frames[-1].line or "").strip() if frames else ""
        return "%s: %s | %s" % (error[0].__name__, str(error[1])[: WORDS_MAX // 2], line)

    class Record(unittest.TestResult):
        """Records each outcome as it occurs."""

        def startTest(self, test):
            super().startTest(test)
            # Read once: some tests override `id` later.
            self.outcome, self.words, self.id = None, "", test.id()
            write(begin=self.id)

        def stopTest(self, test):
            super().stopTest(test)
            write(id=self.id, outcome=self.outcome or "pass", words=self.words)

        def note(self, outcome, test, words):
            words = " ".join(words.split())[:WORDS_MAX]
            if not isinstance(test, unittest.TestCase):
                # The set-up of a class or module, which represents all of its cases.
                write(id=test.id(), outcome=outcome, words=words)
            elif self.outcome is None or RANKS.index(outcome) < RANKS.index(self.outcome):
                self.outcome, self.words = outcome, words

        def addError(self, test, error):
            self.note("error", test, said(error))

        def addFailure(self, test, error):
            self.note("fail", test, said(error))

        def addSubTest(self, test, subtest, error):
            if error is not None:
                self.note("fail" if issubclass(error[0], test.failureException) else "error", test, said(error))

        def addSkip(self, test, reason):
            self.note("skip", test, str(reason))

        def addExpectedFailure(self, test, error):
            self.note("xfail", test, "")

        def addUnexpectedSuccess(self, test):
            self.note("unexpected", test, "")

    def rest(suite):
        """The suite without the finished cases, with its classes kept together, since they share their set-up."""
        left = unittest.TestSuite()
        for part in suite:
            if isinstance(part, unittest.TestSuite):
                part = rest(part)
                if part.countTestCases():
                    left.addTest(part)
            elif part.id() not in done and (job["only"] is None or part.id() in job["only"]):
                if not any(without.match(part.id()) for without in left_out):
                    left.addTest(part)
        return left

    left_out = [re.compile(pattern) for pattern in job["without"]]

    import random

    from test import support

    # No network, terminal, sound or display; nothing that fills a disk or needs minutes of CPU time.
    support.use_resources = ["decimal", "subprocess", "tzdata"]
    support.verbose = False
    random.seed(1)
    record = Record()
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(job["module"])
    except unittest.SkipTest as error:
        write(id=job["module"], outcome="skip", words=str(error)[:WORDS_MAX])
        return
    rest(suite).run(record)


def run_pytest(job, done):
    """In the child: runs the remaining cases of a file of a package's tests."""
    import pytest

    class Record:
        """Records each outcome as it occurs."""

        def pytest_collection_modifyitems(self, config, items):
            # Of many parametrised cases every nth, so that all kinds are covered in little time.
            chosen = items[:: job["step"]]
            items[:] = [i for i in chosen if i.nodeid not in done and (job["only"] is None or i.nodeid in job["only"])]

        def pytest_runtest_logstart(self, nodeid):
            self.outcome, self.words = "pass", ""
            write(begin=nodeid)

        def pytest_runtest_logreport(self, report):
            outcome = {"passed": "pass", "failed": "fail", "skipped": "skip"}[report.outcome]
            if hasattr(report, "wasxfail"):
                outcome = "xfail" if outcome == "skip" else "unexpected"
            elif outcome == "fail" and report.when != "call":
                outcome = "error"
            if RANKS.index(outcome) < RANKS.index(self.outcome):
                self.outcome = outcome
                self.words = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", ""))[:WORDS_MAX]

        def pytest_runtest_logfinish(self, nodeid):
            write(id=nodeid, outcome=self.outcome, words=self.words)

        def pytest_collectreport(self, report):
            if report.failed:
                write(id=str(report.nodeid), outcome="error", words=str(report.longrepr)[-WORDS_MAX:])

    import importlib.util

    package = job["module"].split("/")[0]
    os.chdir(os.path.dirname(list(importlib.util.find_spec(package).submodule_search_locations)[0]))
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", ".", "-c", os.devnull, "--import-mode", "importlib"]
    pytest.main([*options, "-m", "not slow and not network and not single_cpu", job["module"]], plugins=[Record()])


def run(job, done):
    """In the child: runs the remaining cases."""
    work = os.path.join(os.environ.get("TMPDIR", "/tmp"), "w%d" % os.getpid())
    os.mkdir(work)
    os.chdir(work)
    {"unittest": run_unittest, "pytest": run_pytest}[job["kind"]](job, done)


def state(records):
    """The finished cases, and the running one."""
    done, running = set(), None
    for entry in records:
        if "begin" in entry:
            running = entry["begin"]
        elif "id" in entry:
            done.add(entry["id"])
            running = None if running == entry["id"] else running
    return done, running


def watch(child, end):
    """Waits for the child: None if it ended by itself, else `hang` or `time` after it was killed."""
    size, since = -1, time.monotonic()
    while True:
        if os.waitpid(child, os.WNOHANG)[0] == child:
            return None
        now = time.monotonic()
        new = os.stat(OUTCOMES).st_size
        if new != size:
            size, since = new, now
        if now - since > CASE_MAX_S or now > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "hang" if now - since > CASE_MAX_S else "time"
        time.sleep(0.02)


def main():
    with open(os.path.join(HERE, "job.json"), "rb") as file:
        job = json.load(file)
    end = time.monotonic() + job["time_max_s"]
    write(start=job["module"])
    while True:
        done, _ = state(read())
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            code = 1
            try:
                run(job, done)
                write(end=True)
                code = 0
            except BaseException as error:
                import traceback

                traceback.print_exc()
                line = traceback.extract_tb(error.__traceback__)[-1].line
                write(id=job["module"] + ".<set-up>", outcome="error", words="%r | %s" % (error, line))
                write(end=True)
            finally:
                os._exit(code)
        try:
            os.setpgid(child, child)
        except OSError:
            # It has already done so itself, and may have started another program.
            pass
        ended = watch(child, end)
        records = read()
        if "end" in records[-1]:
            return
        now_done, running = state(records)
        if ended == "time":
            write(end=False, words="the time for the module was over")
            return
        what = ended or "crash"
        if running:
            write(id=running, outcome=what, words="")
        else:
            # Between cases: a set-up, or the import of the module. It cannot be skipped.
            write(id=job["module"] + ".<set-up>", outcome=what, words="")
            return


main()
