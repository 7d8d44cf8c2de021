"""A training watched: one progress bar on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zoo.cli.screen import GAP, Screen, figure
from zoo.entry import Entry
from zoo.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

WINDOW = 30.0
"""Seconds over which the speed is taken, and after which a plain line is due."""
BAR = 8


@contextmanager
def watching(entry: Entry, screen: Screen) -> Iterator[Lines]:
    """A watch that suits stderr."""
    if not screen.rich(sys.stderr):
        yield Lines(entry, screen)
        return
    with drawn_live(Bar(entry, screen), screen) as bar:
        yield bar


class Drawing(Protocol):
    """Something that rich can draw, and that is told where it is drawn."""

    live: Any

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult: ...


D = TypeVar("D", bound=Drawing)


@contextmanager
def drawn_live(drawing: D, screen: Screen) -> Iterator[D]:
    """Within the block the drawing is on stderr, drawn anew four times a second."""
    from rich.live import Live

    console = screen.console(sys.stderr)
    with Live(drawing, console=console, refresh_per_second=4) as live:
        # A second Ctrl-C ends the process at once, and would leave a terminal without a cursor.
        console.show_cursor(True)
        drawing.live = live
        yield drawing


class Lines:
    """Where a training is, told in one line an epoch, or after 30 seconds of silence."""

    def __init__(self, entry: Entry, screen: Screen) -> None:
        self.entry, self.screen = entry, screen
        self.epochs = self.steps = self.done = self.batch = 0
        self.seconds = self.begin = 0.0
        self.row: dict[str, Any] = {}
        self.best = ("", 0)
        self.samples: deque[tuple[float, int]] = deque()
        self.told = time.monotonic()

    def stage(
        self, name: str, epochs: int, steps: int, start: int, batch: int, seconds: float = 0.0, elapsed: float = 0.0
    ) -> None:
        """A stage begins, or goes on at step `start`; `batch` is pictures a step, `seconds` the stage's time."""
        self.epochs, self.steps, self.done, self.batch = epochs, steps, start, batch
        self.seconds, self.begin = seconds, time.monotonic() - elapsed
        self.row, self.best = {}, ("", 0)
        self.samples.clear()

    def step(self) -> None:
        """A step was taken. The clock starts after the first, which may wait for a compiler."""
        self.done += 1
        if not self.samples:
            self.sample()
        self.look()

    def look(self) -> None:
        """Break a long silence."""
        if time.monotonic() - self.told >= WINDOW:
            self.tell(self.done // self.steps + 1, f"step {self.done % self.steps}/{self.steps}")

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch ended."""
        self.row = row
        if row["best"] and "loss" in row["valid"]:
            self.best = (figure(row["valid"]["loss"]), row["epoch"])
        self.show()

    def show(self) -> None:
        """The figures of the epoch that ended."""
        self.tell(self.row["epoch"], *self.figures(self.row))

    def tell(self, epoch: int, *parts: str) -> None:
        """One line."""
        self.sample()
        speed = [f"{self.rate:,.0f} pictures/s", *self.remaining()] if self.rate else []
        text = ", ".join([*parts, *speed])
        self.screen.note(f"{time.strftime('%H:%M:%S')} {self.entry.name} epoch {self.place(epoch)}: {text}")
        self.told = time.monotonic()

    def place(self, epoch: int) -> str:
        """An epoch of how many, or with the time that is gone of how much."""
        return f"{epoch}, {self.times}" if self.seconds else f"{epoch}/{self.epochs}"

    @property
    def times(self) -> str:
        """The time that is gone of how much."""
        return f"{clock(self.elapsed)}/{clock(self.seconds)}"

    @property
    def elapsed(self) -> float:
        """Seconds of the stage's time that are gone."""
        return min(time.monotonic() - self.begin, self.seconds)

    def remaining(self) -> list[str]:
        """The time to the end of the stage; nothing where the place says it."""
        return [] if self.seconds else [f"left {clock(self.left)}"]

    def note(self, text: str) -> None:
        """Something that a person should know."""
        self.screen.note(text)

    def figures(self, row: dict[str, Any]) -> list[str]:
        """Losses and the other validation figures, most important first."""
        valid = {("vloss" if name == "loss" else name): value for name, value in row["valid"].items()}
        parts = {"loss": row["train"].get("loss", sum(row["train"].values()))} | valid
        best = [f"best {self.best[0]} @ {self.best[1]}"] if self.best[1] else []
        return [*(f"{name} {figure(value)}" for name, value in parts.items()), *best]

    def sample(self) -> None:
        """Note how far it is, and forget what is older than the window."""
        now = time.monotonic()
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and self.samples[1][0] < now - WINDOW:
            self.samples.popleft()

    @property
    def pace(self) -> float:
        """Steps a second; 0: not known yet."""
        if len(self.samples) < 2:
            return 0.0
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pace * self.batch

    @property
    def left(self) -> float:
        """Seconds to the end of the stage."""
        return (self.epochs * self.steps - self.done) / self.pace if self.pace else math.inf


class Bar(Lines):
    """The same as one line that is drawn anew four times a second."""

    live: Any = None

    def look(self) -> None:
        """The next drawing shows it."""

    def show(self) -> None:
        """Likewise."""

    def note(self, text: str) -> None:
        """Above the bar."""
        self.live.console.print(one_line(text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        if not self.steps:
            yield "preparing ..."
            return
        if self.samples:
            self.sample()
        epoch = self.done // self.steps + 1
        place = self.place(epoch if self.seconds else min(self.epochs, epoch))
        short = self.times if self.seconds else place
        left = f"epoch {place}" if options.max_width >= 60 else short
        right = self.fitting(options.max_width - len(left) - BAR - 2)
        width = max(BAR, options.max_width - len(left) - len(right) - 2)
        whole, done = (self.seconds, self.elapsed) if self.seconds else (self.epochs * self.steps, self.done)
        bar = ProgressBar(whole, done, width)
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(left, bar, right)
        yield grid

    def fitting(self, width: int) -> str:
        """As much as there is room for, what matters most first; the time left stands last."""
        losses = self.figures(self.row) if self.row else []
        rate, left = ([f"{self.rate:,.0f}/s"], self.remaining()) if self.rate else ([], [])
        step = f"step {self.done % self.steps}/{self.steps}"
        best = losses[-1:] if self.best[1] else []
        chosen: list[str] = []
        for part in [*losses[1:2], *best, *rate, *losses[:1], *losses[2:], step]:
            if part not in chosen and len(GAP.join([*chosen, part, *left])) <= width:
                chosen.append(part)
        return GAP.join([*chosen, *left])


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"
