"""What ``mutants`` starts inside the copy of the tree: makes the mutants, tries each in a fork, prints the table.

Run by ``tests.tools.mutants`` only: the current folder is the copy, and mutmut is installed. mutmut makes the mutants
(each function becomes a trampoline that calls the variant named by ``set_mutant_under_test``) and keeps the verdicts.
The loop is this one, several times as fast as mutmut's own: the tests are collected once, and a fork runs only those
that reach the function, the fastest first, until one fails.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import random
import re
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings
from mutmut.__main__ import create_mutants_for_file
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

#: The tests that may kill: those of the parts, and of what stands next to them. None of them starts a process.
TESTS = [f"tests/unit/{name}" for name in ("matching", "model", "plex", "queue", "stash", "state", "sync", "worker")]
TESTS += ["tests/contract/test_persist_queue.py"]
#: Not the tests that watch imports: mutmut's trampoline imports more than the code does.
OPTIONS = ["-q", "-k", "not standard_library"]
OPTIONS += ["-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=", "--hypothesis-seed=0"]
EXAMPLES = 25  # of Hypothesis, for each mutant: few, or a surviving mutant takes minutes
SEED = 0
MEMORY = 4 << 30  # bytes; a mutant may ask for ever more

KILLED, SURVIVED, NO_TESTS, TIMEOUT = 1, 0, 33, 36  # mutmut's own numbers

_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|AND|UNION|COALESCE|SUM|MIN)\b")
WITHOUT_EFFECT = Path("tests/tools/mutants_without_effect.txt")


@dataclass
class Mutant:
    """A changed function: the name that mutmut gave it, its part, and the file in which mutmut keeps the verdict."""

    name: str
    part: str
    file: Any

    @property
    def function(self) -> str:
        return str(mangled_name_from_mutant_name(self.name))

    @property
    def verdict(self) -> int | None:
        verdict: int | None = self.file.exit_code_by_key[self.name]
        return verdict

    def change(self) -> tuple[str, str]:
        """Return the lines that the mutant has in place of those of the code, and those, each in one line."""
        lines = get_diff_for_mutant(self.name, path=self.file.path).splitlines()[2:]
        added, removed = (" / ".join(line[1:].strip() for line in lines if line[:1] == sign) for sign in "+-")
        return added or f"- {removed}", removed

    def is_harmless(self, known: Collection[tuple[str, str]]) -> bool:
        """Return whether the change has no effect: it is one of ``known``, or only of letter case in SQL."""
        change, original = self.change()
        is_case = change.casefold() == original.casefold() and _SQL.search(original) is not None
        return is_case or (self.function, change) in known


def make_mutants(parts: dict[str, str], sample: int, only: str) -> list[Mutant]:
    """Write the mutants of ``parts`` (part -> pattern of files) and return those to try, in a random order."""
    mutants: list[Mutant] = []
    for part, pattern in parts.items():
        of_part: list[Mutant] = []
        for path in sorted(Path().glob(pattern)):
            result = create_mutants_for_file(path, Path("mutants") / path)
            if result.error:
                raise result.error
            file = SourceFileMutationData(path=path)
            file.meta_path = file.meta_path.absolute()  # it is saved from the tests' folder
            file.load()
            of_part += [Mutant(name, part, file) for name in sorted(file.exit_code_by_key) if only in name]
        random.Random(SEED).shuffle(of_part)
        mutants += of_part[: sample or None]
    return mutants


@dataclass
class Runner:
    """A plugin of pytest: in place of the tests it runs every mutant's tests, each time in a fork."""

    mutants: Sequence[Mutant]
    todo: Sequence[Mutant]
    progress: TextIO
    reached: dict[str, list[int]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        few: dict[str, Any] = {"max_examples": EXAMPLES, "derandomize": True, "database": None, "deadline": None}
        for item in items:
            if hasattr(item.obj, "_hypothesis_internal_use_settings"):
                item.obj._hypothesis_internal_use_settings = settings(item.obj._hypothesis_internal_use_settings, **few)
            elif hasattr(item.cls, "settings"):
                item.cls.settings = settings(item.cls.settings, stateful_step_count=20, **few)

    def pytest_runtestloop(self, session: Any) -> bool:
        self._measure(session)
        gc.freeze()  # a fork copies less
        for number, mutant in enumerate(self.todo, 1):
            mutant.file.exit_code_by_key[mutant.name] = self._try(session, mutant)
            mutant.file.save()
            said = Counter(other.verdict for other in self.mutants)
            counts = (
                f"{said[KILLED] + said[TIMEOUT]} killed, {said[SURVIVED]} survived, {said[NO_TESTS]} without a test"
            )
            print(f"\r{number}/{len(self.todo)}: {counts}  ", end="", file=self.progress, flush=True)
        return True

    def _measure(self, session: Any) -> None:
        """Run all tests once, in a fork that leaves no trace here: what functions each reaches, how long it takes."""
        answer = Path("reached.json").absolute()
        answer.unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            _measured(session, answer, self.progress)
        os.waitpid(pid, 0)
        if not answer.exists():
            raise pytest.UsageError("the tests fail without any change: see tests.log")
        self.reached, self.seconds = json.loads(answer.read_text())
        if self._judged(session, "none", range(len(session.items))) != SURVIVED:
            raise pytest.UsageError("the tests fail in a fork without any change")

    def _try(self, session: Any, mutant: Mutant) -> int:
        tests = sorted(self.reached.get(mutant.function, ()), key=self.seconds.__getitem__)
        return self._judged(session, mutant.name, tests) if tests else NO_TESTS

    def _judged(self, session: Any, mutant: str, tests: Sequence[int]) -> int:
        pid = os.fork()
        if not pid:
            _judge(session, mutant, [(session.items[test], self.seconds[test]) for test in tests])
        return _verdict(pid)


def _measured(session: Any, answer: Path, progress: TextIO) -> None:
    set_mutant_under_test("stats")
    reached: dict[str, list[int]] = defaultdict(list)
    seconds: list[float] = []
    failed = False
    for number, item in enumerate(session.items):
        before = time.process_time()
        _run(item)
        seconds.append(time.process_time() - before)
        for function in state()._stats:
            reached[function].append(number)
        state()._stats.clear()
        if session.testsfailed:
            print("failed:", item.nodeid, file=progress, flush=True)
            session.testsfailed, failed = 0, True
    if failed:
        os._exit(1)
    answer.write_text(json.dumps((reached, seconds)))
    os._exit(0)


def _judge(session: Any, mutant: str, tests: Sequence[tuple[Any, float]]) -> None:
    """In the fork: run the tests (and the seconds each takes) until one fails; end the process with the verdict.

    One that runs on, or waits for ever, is ended by a signal. The limits are wide: the machine may have other work.
    """
    os.setpgid(0, 0)
    at_most = math.ceil(3 + 2 * sum(seconds for _, seconds in tests))
    resource.setrlimit(resource.RLIMIT_CPU, (at_most, at_most + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    set_mutant_under_test(mutant)
    try:
        for item, seconds in tests:
            signal.setitimer(signal.ITIMER_REAL, 20 + 20 * seconds)
            _run(item)
            if session.testsfailed:
                os._exit(KILLED)
    except BaseException:
        os._exit(KILLED)
    os._exit(SURVIVED)


def _run(item: Any) -> None:
    runtestprotocol(item, log=True, nextitem=None)


def _verdict(pid: int) -> int:
    """Wait for the fork and return the verdict."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what it may have started
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return TIMEOUT
    return SURVIVED if code == SURVIVED else KILLED


def explained() -> set[tuple[str, str]]:
    """Return (function, change) of every line of the list; a line with # is the reason for those below it."""
    lines = (line.strip() for line in WITHOUT_EFFECT.read_text("utf-8").splitlines())
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {(function, change) for function, _, change in pairs}


def is_to_try(mutant: Mutant, known: Collection[tuple[str, str]]) -> bool:
    """Return whether no verdict stands: what survived is tried again, unless that was to be expected."""
    if mutant.verdict in (KILLED, TIMEOUT):
        return False
    return mutant.verdict is None or not mutant.is_harmless(known)


def table(parts: Sequence[str], mutants: Sequence[Mutant]) -> Iterator[str]:
    """Yield what survived, then a line for each part."""
    known = explained()
    rows: dict[str, Counter[str]] = {part: Counter() for part in parts}
    for mutant in sorted(mutants, key=lambda mutant: mutant.name):
        if mutant.verdict in (KILLED, TIMEOUT):
            kind = "killed"
        else:
            kind = "without effect" if mutant.is_harmless(known) else "survived"
            if kind == "survived":
                yield f"{'no test' if mutant.verdict == NO_TESTS else 'survived'} {mutant.name}"
                yield f"{mutant.function}: {mutant.change()[0]}"
        rows[mutant.part][kind] += 1
    yield f"\n{'part':14} {'mutants':>8} {'killed':>8} {'survived':>9} {'without effect':>15} {'score':>7}"
    for part, row in rows.items():
        effective = row["killed"] + row["survived"]
        score = 100 * row["killed"] / effective if effective else 100.0
        yield (
            f"{part:14} {row.total():8} {row['killed']:8} {row['survived']:9} {row['without effect']:15} {score:6.1f}%"
        )


def main() -> int:
    sample, only, *given = sys.argv[1:]
    parts = dict(part.split("=") for part in given)
    progress = os.fdopen(os.dup(2), "w")
    set_mutant_under_test("mutant_generation")
    mutants = make_mutants(parts, int(sample), only)
    set_mutant_under_test("")
    known = explained()
    if todo := [mutant for mutant in mutants if is_to_try(mutant, known)]:
        home = Path.cwd()
        os.chdir("mutants")
        code = pytest.main([*OPTIONS, *TESTS], plugins=[Runner(mutants, todo, progress)])
        os.chdir(home)
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED):
            print("see tests.log", file=progress, flush=True)
            return int(code)
    tried = [mutant for mutant in mutants if mutant.verdict is not None]
    for line in table(list(parts), tried):
        print(line, file=progress, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
