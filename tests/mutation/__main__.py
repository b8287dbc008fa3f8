"""
Run the tests against every mutant of the modules that decide, and name the survivors.

  python -m tests.mutation                     all, some hours on a busy machine
  python -m tests.mutation gate --jobs 4
  python -m tests.mutation latch --only 3,17   these alone, with what pytest says

A mutant is killed when a test fails, or none ends in time. Each runs in a process of its own,
forked after the libraries were imported, which puts the mutant in the place of the module; the
files are never changed. Only the tests that run the line are asked, the quickest first.
``docs/reliability.md`` explains the survivors.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import pytest

from tests.mutation.mutate import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "alembic", "apscheduler.schedulers.background", "fastapi", "httpx", "hypothesis", "psycopg",
    "pydantic_settings", "pytest", "sqlalchemy.dialects.sqlite", "structlog", "tests.cluster",
    "uvicorn",
)  # fmt: skip
ONE_S = 300.0
"""Seconds for the tests of one mutant; three times what they take on a busy machine."""


_SAID = {None: "slow", 0: "survived", 1: "killed", 2: "killed"}
"""Of pytest's exit codes, those that say something of a mutant: 2 is one that can't be imported."""
_NO_CONFTEST = 4
"""A conftest that can't be imported; also a test that is not there, which must not count."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    A module, the tests that say what it must do, and what is imported once for all mutants.

    Nothing of ``early`` may import the module: it would keep the one without a change.
    """

    module: str
    tests: tuple[str, ...]
    early: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the module lies."""
        return ROOT / (self.module.replace(".", "/") + ".py")


_BELOW = (
    "killswitch.desk.desk", "killswitch.flagging", "killswitch.net", "killswitch.outcome",
    "killswitch.store.opening", "killswitch.watch.watcher",
)  # fmt: skip
TARGETS = {
    "latch": Target(
        "killswitch.latch",
        (
            "tests/unit/latch",
            "tests/unit/desk/test_resuming.py",
            "tests/unit/desk/test_dismissing.py",
            "tests/store/test_latch_store.py",
            "tests/contract/test_json_shapes.py",
            "tests/daemon/test_guard.py",
        ),
    ),
    "gate": Target(
        "killswitch.gate",
        ("tests/daemon/test_gate.py", "tests/daemon/test_gate_late.py"),
        _BELOW,
    ),
    "reaper": Target(
        "killswitch.daemon.reaper",
        ("tests/daemon/test_reaper.py",),
        (*_BELOW, "killswitch.gate"),
    ),
    "weigh": Target(
        "killswitch.news.weigh",
        (
            "tests/unit/news/test_grading.py",
            "tests/unit/news/test_how_newsrooms_tell.py",
            "tests/unit/news/test_newsroom_floors.py",
            "tests/unit/news/test_own_headlines.py",
            "tests/unit/news/test_reading_closely.py",
        ),
    ),
}


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant to whoever imports the module."""

    def __init__(self, target: Target, mutant: Mutant) -> None:
        self._target, self._mutant = target, mutant

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if name != self._target.module:
            return None
        return importlib.util.spec_from_file_location(name, self._target.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        code = compile(self._mutant.tree(), str(self._target.path), "exec")
        exec(code, module.__dict__)  # noqa: S102 - our own module, with one change


class _Watching:
    """A pytest plugin that writes down which lines of the module each test ran, and how long."""

    def __init__(self, target: Target) -> None:
        self._path = str(target.path)
        self._coverage = coverage.Coverage(data_file=None, include=[self._path], config_file=False)
        self.took_s: dict[str, float] = {}

    def pytest_collection_finish(self) -> None:
        """Begin after the imports: what they ran, every test has run."""
        self._coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Count what comes for this test."""
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up how long it took."""
        self.took_s[report.nodeid] = self.took_s.get(report.nodeid, 0.0) + report.duration

    def lines(self) -> dict[int, list[str]]:
        """Return the tests of each line."""
        self._coverage.stop()
        found = self._coverage.get_data().contexts_by_lineno(self._path)
        return {line: [name for name in names if name] for line, names in found.items()}


def _watched(target: Target, out: Path) -> int:
    """Run the tests without a change in this process, and write down what they ran."""
    watching = _Watching(target)
    code = _pytest([*target.tests], watching)
    out.write_text(json.dumps({"lines": watching.lines(), "took_s": watching.took_s}))
    return code


def _tested(target: Target, mutant: Mutant, tests: Sequence[str], *, loud: bool) -> int:
    """Run the tests in this process, which ends with them; 0 means that they noticed nothing."""
    sys.meta_path.insert(0, _Instead(target, mutant))
    if not loud:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
    return _pytest(tests)


def _pytest(tests: Sequence[str], *plugins: object) -> int:
    with tempfile.TemporaryDirectory(prefix="ksm-", dir=_scratch()) as folder:
        return int(
            pytest.main(
                [
                    *("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0"),
                    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
                    *("--timeout", "60", "-k", "not postgres", f"--basetemp={folder}/t"),
                    *tests,
                ],
                plugins=[*plugins],
            )
        )


def _scratch() -> str | None:
    """Memory, where there is some: the stores of the tests sync at each commit."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder below it


def _in_a_fork(act: Callable[[], int]) -> int | None:
    """Run in a process of its own; return what it came to, or None if it took too long."""
    pid = os.fork()
    if pid == 0:
        code = 70
        os.setsid()
        try:
            code = act()
        except BaseException:  # noqa: BLE001 - this process ends here, whatever it was
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    slow = threading.Event()
    late = threading.Timer(ONE_S, lambda: (slow.set(), os.killpg(pid, signal.SIGKILL)))
    late.start()
    _, status = os.waitpid(pid, 0)
    late.cancel()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what a broken test left behind
    return None if slow.is_set() else os.waitstatus_to_exitcode(status)


def _judge(target: Target, mutant: Mutant, tests: Sequence[str], *, loud: bool) -> str:
    """Return ``killed``, ``slow`` (killed by the time limit) or ``survived``."""
    compile(mutant.tree(), str(target.path), "exec")  # what is no Python at all kills nothing
    code = _in_a_fork(lambda: _tested(target, mutant, tests, loud=loud)) if tests else 0
    if code == _NO_CONFTEST and mutant.is_import:
        return "killed"
    if code not in _SAID:
        raise SystemExit(f"pytest ended with {code}: were the tests changed meanwhile? ({mutant})")
    return _SAID[code]


def _tests_of(target: Target, mutant: Mutant, seen: Mapping[str, Any]) -> list[str]:
    """Choose the tests that run the line, the quickest first; for a line of the import, all."""
    took_s = seen["took_s"]
    names = {name for line in mutant.lines for name in seen["lines"].get(str(line), ())}
    return sorted(names or took_s if mutant.is_import else names, key=lambda name: took_s[name])


def _is_new(watched: Path, target: Target) -> bool:
    """Say whether neither the module nor a test has changed since the tests were watched."""
    changed = [target.path.stat().st_mtime]
    for name in target.tests:
        below = [ROOT / name, *(ROOT / name).rglob("*.py")]
        changed += [path.stat().st_mtime for path in below]
    return watched.exists() and watched.stat().st_mtime > max(changed)


def _spread(
    mutants: Sequence[Mutant], work: Callable[[Sequence[Mutant]], None], *, jobs: int
) -> None:
    """Share the mutants among processes and wait for them."""
    workers = []
    for job in range(jobs):
        pid = os.fork()
        if pid == 0:
            work(mutants[job::jobs])
            os._exit(0)
        workers.append(pid)
    for pid in workers:
        os.waitpid(pid, 0)


def run(name: str, *, jobs: int, only: frozenset[int], every: int, out: Path) -> list[str]:
    """Judge the mutants of one target; return one line for each: verdict, number, change."""
    target = TARGETS[name]
    watched = out.with_suffix(".json")
    if not _is_new(watched, target) and _in_a_fork(lambda: _watched(target, watched)) != 0:
        raise SystemExit(f"{name}: its tests fail without any change; run them first")
    seen = json.loads(watched.read_text())
    mutants = mutants_of(target.path.read_text())
    chosen = [one for one in mutants if not only or one.number in only][::every]
    out.write_text("")

    for early in target.early:
        importlib.import_module(early)
    assert target.module not in sys.modules, "something early has imported it"
    gc.freeze()  # the forks need not look through what was imported before them

    def work(share: Sequence[Mutant]) -> None:
        with out.open("a") as file:
            for one in share:
                said = _judge(target, one, _tests_of(target, one, seen), loud=bool(only))
                file.write(f"{said}\t{one.number}\t{one}\n")
                file.flush()

    _spread(chosen, work, jobs=jobs)
    found = out.read_text().splitlines()
    if len(found) != len(chosen):
        raise SystemExit(f"{name}: {len(chosen) - len(found)} mutants were not judged")
    return sorted(found, key=lambda line: int(line.split("\t")[1]))


def main() -> int:
    """Run by hand and print the figures and the survivors."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("targets", nargs="*", choices=[*TARGETS, []], default=[])
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    asked.add_argument("--only", default="", help="numbers of mutants, separated by commas")
    asked.add_argument("--every", type=int, default=1, help="take only each so-manieth mutant")
    asked.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()))
    args = asked.parse_args()
    only = frozenset(int(one) for one in args.only.split(",") if one)
    for library in LIBRARIES:
        importlib.import_module(library)
    for name in [*TARGETS] if not args.targets else args.targets:
        found = run(
            name, jobs=args.jobs, only=only, every=args.every, out=args.out / f"mutants-{name}.txt"
        )
        left = [line for line in found if line.startswith("survived")]
        score = 100 * (1 - len(left) / max(1, len(found)))
        print(f"{name}: {len(found)} mutants, {len(left)} survived: {score:.1f} % killed")  # noqa: T201 - a tool for a terminal
        print("\n".join(left))  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
