"""A `zoo tune` or another command in a process group of its own, to be watched and killed; needs /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from uuid import uuid4

from zoo.tuning.orphan_guard import is_supported

PROC = Path("/proc")
GONE = 10.0 if is_supported() else 60.0
"""Seconds in which no process of a driver that ended may be left; a Ray that the guard does not know takes its time."""


class Driver:
    """A driver and what it says; everything that it starts carries a mark in its environment."""

    def __init__(self, *words: str, log: Path, command: str = "tune") -> None:
        self.mark, self.log, self.began = f"ZOO_CHAOS={uuid4()}", log, time.monotonic()
        self.before = log.stat().st_size if log.exists() else 0
        name, _, value = self.mark.partition("=")
        with log.open("a", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zoo", command, *words],
                stdout=file,
                stderr=file,
                env=os.environ | {name: value},
                start_new_session=True,
            )
        self.known: set[tuple[int, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        if self.process.poll() is None:
            self.kill()
        for number, _ in self.left():
            os.kill(number, signal.SIGKILL)

    def said(self) -> str:
        """All that it has said."""
        return self.log.read_text(encoding="utf-8")[self.before :]

    def hear(self, text: str, seconds: float = 120) -> float:
        """Wait until it says something; returns the seconds since it began."""
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < self.began + seconds, self.said()
            time.sleep(0.05)
        return time.monotonic() - self.began

    def finish(self, seconds: float = 240) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill -9 for the whole process group."""
        self.note()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_alone(self) -> None:
        """Kill -9 for the driver alone, as the system does where memory is short."""
        self.note()
        self.process.kill()
        self.process.wait()

    def note(self) -> None:
        """Remember which processes are the driver's: their environment may be gone when they change their name."""
        self.known |= set(self.marked())

    def left(self) -> list[tuple[int, str]]:
        """Processes of the driver that live, by number and time of their start."""
        return sorted({each for each in self.known | set(self.marked()) if started(each[0]) == each[1]})

    def gone(self) -> float:
        """Wait until none of its processes is left; returns the seconds that took."""
        start = time.monotonic()
        while self.left():
            took = time.monotonic() - start
            assert took < GONE, [name(number) for number, _ in self.left()]
            time.sleep(0.1)
        return time.monotonic() - start

    def marked(self) -> Iterator[tuple[int, str]]:
        """Processes of its session, or with its mark in their environment."""
        for folder in PROC.glob("[0-9]*"):
            number = int(folder.name)
            if (start := started(number)) and (self.owns(folder) or session(number) == self.process.pid):
                yield number, start

    def owns(self, folder: Path) -> bool:
        """Whether a process has the mark."""
        try:
            return self.mark.encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def workers(self) -> list[int]:
        """Its processes that run a trial."""
        self.note()
        return [number for number, _ in self.left() if name(number).startswith("ray::ImplicitFunc")]


def stat(number: int) -> list[str]:
    """The fields of /proc/N/stat after the name; none where there is no such process."""
    try:
        return (PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def started(number: int) -> str:
    """When a process began, empty where there is none; one that is dead and not yet buried is none."""
    fields = stat(number)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def session(number: int) -> int:
    """The session of a process."""
    fields = stat(number)
    return int(fields[3]) if fields else -1


def name(number: int) -> str:
    """What a process calls itself."""
    try:
        return (PROC / str(number) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
