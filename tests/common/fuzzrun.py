"""Run a command or a call with an input that may be anything, and tell what is wrong with the answer."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.core.notes import show_notes

CODES = {0, 1, 2, 3, 4, 5, 6, 7}
"""Exit codes that a damaged input may end with; 70 is a bug."""
PATIENCE = 5.0
"""Seconds of CPU or of waiting beyond an undisturbed command after which one counts as hung."""
GROWTH = 1_500_000
"""Kilobytes by which the memory of the process may grow for one input."""
ANY: Any = object()
"""Any effect is right: the changed file explains it."""
REFUSED: Any = object()
"""No effect is right: the changed file must be refused."""
Call = list[str] | Callable[[], Any]
"""The words of a command, or a call whose result is its effect."""


class HungError(BaseException):
    """Raised when a command takes too long."""


class Times(NamedTuple):
    """Seconds of CPU and of waiting."""

    cpu: float = 0.0
    wall: float = 0.0


LONG = Times(60, 120)


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str
    times: Times
    result: Any = None
    """What a call returned."""
    raised: str = ""
    """What came out of it that should not have."""
    hung: bool = False
    growth: int = 0
    """Kilobytes by which the largest memory of the process grew."""


class Fault(NamedTuple):
    """An input that was not answered as it should be."""

    kind: str
    """traceback, code, hang, silent, memory or words."""
    what: str
    words: list[str]
    why: str


@contextmanager
def time_limit(limits: Times) -> Iterator[list[str]]:
    """Raise HungError in the block after some seconds of CPU or of waiting; yields a list that then is not empty."""
    expired: list[str] = []

    def expire(number: int, frame: FrameType | None) -> None:
        expired.append(signal.Signals(number).name)
        raise HungError

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, limits.cpu), (signal.SIGALRM, signal.ITIMER_REAL, limits.wall))
    before = [signal.signal(number, expire) for number, _, _ in timers]
    try:
        for _, timer, seconds in timers:
            signal.setitimer(timer, seconds)
        yield expired
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def answer(call: Call, undisturbed: Times = LONG) -> Answer:
    """Run a command or a call; the answer of one that hangs says so."""
    limits = Times(undisturbed.cpu + PATIENCE, undisturbed.wall + PATIENCE)
    out, err, code, result, raised = io.StringIO(), io.StringIO(), 0, None, ""
    memory, begin = peak(), Times(time.process_time(), time.monotonic())
    with time_limit(limits) as expired, redirect_stdout(out), redirect_stderr(err):
        try:
            if callable(call):
                with show_notes(lambda text: print(text, file=err)):
                    result = call()
            else:
                code = main(call)
        except HungError:
            pass
        except ZooError as error:
            code = error.code
            err.write(f"error: {error}\n")
        except BaseException as error:
            raised = f"{type(error).__name__}: {error}"
    taken = Times(time.process_time() - begin.cpu, time.monotonic() - begin.wall)
    return Answer(code, out.getvalue(), err.getvalue(), taken, result, raised, bool(expired), peak() - memory)


def peak() -> int:
    """Largest memory that the process ever had, in kilobytes (on macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def what_is_wrong(found: Answer, *, json_asked: bool = False) -> tuple[str, str]:  # noqa: PLR0911
    """The kind of fault of an answer and a description; two empty texts if its form is right."""
    both = found.out + found.err
    if found.hung:
        return "hang", f"after {found.times.cpu:.1f} s of CPU, {found.times.wall:.1f} s in all"
    if found.raised:
        return "traceback", found.raised
    if found.code not in CODES:
        return "code", f"{found.code}: {found.err.strip()[-300:]}"
    if "Traceback (most recent" in both:
        return "traceback", found.err[-300:]
    if any(letter in both for letter in "\x1b\x07\x00\u202e"):
        return "words", f"control characters: {found.err[-300:]!r}"
    if found.code and not found.err.strip():
        return "words", f"code {found.code} without a word"
    if found.err.count("\nerror: ") + found.err.startswith("error: ") > 1:
        return "words", f"several errors: {found.err[-300:]}"
    if json_asked and found.out.strip() and not is_json(found.out):
        return "words", f"no JSON: {found.out[-300:]}"
    if found.growth > GROWTH:
        return "memory", f"{found.growth:,} kB more"
    return "", ""


def plain_text(path: Path) -> str:
    """The text of a regular file; OSError for anything else."""
    if not path.is_file():
        raise OSError(path)
    return path.read_text("utf-8-sig")


def is_json(text: str) -> bool:
    """Whether a text is one JSON document as the standard has it, without NaN."""

    def refuse(constant: str) -> float:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


@contextmanager
def inside(folder: Path, cache: Path | None = None) -> Iterator[None]:
    """Work in a folder, perhaps with another cache."""
    before, kept = Path.cwd(), os.environ["ZOO_CACHE"]
    os.chdir(folder)
    os.environ["ZOO_CACHE"] = str(cache or kept)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ["ZOO_CACHE"] = kept


class Tally:
    """Counts inputs, codes and faults, by kind."""

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.begin, self.last = time.monotonic(), time.process_time()

    def add(self, kind: str, code: int) -> None:
        """Count an input that was answered."""
        self.inputs[kind] += 1
        self.accepted[kind] += not code
        now = time.process_time()
        self.cpu[kind] += round(1000 * (now - self.last))
        self.last = now
        if self.inputs.total() % 1000 == 0:
            print(self, flush=True)

    def fault(self, found: Fault) -> None:
        """Keep a fault, and print it at once, since a run may last for hours."""
        self.faults.append(found)
        print(found, flush=True)

    def __str__(self) -> str:
        lines = [
            f"{kind}: {count} inputs, {self.accepted[kind]} accepted, {self.cpu[kind] / count:.0f} ms of CPU each"
            for kind, count in self.inputs.items()
        ]
        faults = Counter(fault.kind for fault in self.faults)
        minutes = (time.monotonic() - self.begin) / 60
        lines.append(f"{self.inputs.total()} inputs in {minutes:.1f} minutes; faults: {dict(faults) or 'none'}")
        return "\n".join(lines)
