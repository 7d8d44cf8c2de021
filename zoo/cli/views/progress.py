"""Progress of a training: a progress bar on a terminal, one plain line per epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zoo.cli.console import GAP, Screen
from zoo.core.errors import one_line
from zoo.registry.entry import Entry
from zoo.training.callbacks import SPEED_WINDOW, ProgressCallback, StageInfo

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


BAR_WIDTH = 8
MAX_SPARKS = 12
"""Epochs that the sparkline of the validation loss shows."""
SPARKS = "▁▂▃▄▅▆▇█"


@contextmanager
def progress_callback(entry: Entry, screen: Screen) -> Iterator[ProgressLines]:
    """Yield a callback that draws a bar on a terminal, and prints plain lines elsewhere."""
    if not screen.rich(sys.stderr):
        yield ProgressLines(entry, screen)
        return
    with draw_live(ProgressBarCallback(entry, screen), screen) as bar:
        yield bar


class Drawing(Protocol):
    """A renderable that rich can draw live, with a reference to the live display."""

    live: Any

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult: ...


D = TypeVar("D", bound=Drawing)


@contextmanager
def draw_live(drawing: D, screen: Screen) -> Iterator[D]:
    """Show a drawing on stderr within the block, refreshed four times a second."""
    from rich.live import Live

    console = screen.console(sys.stderr)
    with Live(drawing, console=console, refresh_per_second=4) as live:
        # A second Ctrl-C ends the process at once, and would leave a terminal without a cursor.
        console.show_cursor(True)
        drawing.live = live
        yield drawing


class ProgressLines(ProgressCallback):
    """Progress of a training: a line per epoch, or after 30 seconds of silence."""

    def __init__(self, entry: Entry, screen: Screen) -> None:
        super().__init__(entry.name)
        self.screen, self.printed_at = screen, time.monotonic()

    def refresh(self) -> None:
        """Print a line after a long silence."""
        if time.monotonic() - self.printed_at >= SPEED_WINDOW:
            epochs, step = divmod(self.done - 1, self.steps)
            self.tell(epochs + 1, f"step {step + 1}/{self.steps}")

    def show(self) -> None:
        """Print the figures of the epoch that ended."""
        self.tell(self.row["epoch"], *self.format_metrics(self.row))

    def tell(self, epoch: int, *parts: str) -> None:
        """Print one line about an epoch."""
        self.sample()
        speed = [f"{self.rate:,.0f} pictures/s", *self.remaining()] if self.rate else []
        text = ", ".join([*parts, *speed])
        self.screen.note(f"{time.strftime('%H:%M:%S')} {self.name} epoch {self.position(epoch)}: {text}")
        self.printed_at = time.monotonic()

    def note(self, text: str) -> None:
        """Print a message for the user."""
        self.screen.note(text)


class ProgressBarCallback(ProgressLines):
    """Progress of a training as one line that is redrawn four times a second."""

    live: Any = None

    def __init__(self, entry: Entry, screen: Screen) -> None:
        super().__init__(entry, screen)
        self.losses: list[float] = []

    def stage(self, info: StageInfo) -> None:
        """Start counting the steps of a stage, whose losses are not those of the one before."""
        super().stage(info)
        self.losses = []

    def epoch(self, row: dict[str, Any]) -> None:
        """Store the metrics of an epoch, and its validation loss."""
        super().epoch(row)
        self.losses += [row["valid"]["loss"]] if "loss" in row["valid"] else []

    def refresh(self) -> None:
        """Do nothing, since the bar is redrawn regularly."""

    def show(self) -> None:
        """Do nothing, since the display is redrawn regularly."""

    def note(self, text: str) -> None:
        """Print a message above the bar."""
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
        position = self.position(epoch if self.seconds else min(self.epochs, epoch))
        short = self.times if self.seconds else position
        left = f"epoch {position}" if options.max_width >= 60 else short
        sparks = "" if options.ascii_only else sparkline(self.losses[-MAX_SPARKS:])
        right = self.fitting(sparks, options.max_width - len(left) - BAR_WIDTH - 2)
        width = max(BAR_WIDTH, options.max_width - len(left) - len(right) - 2)
        whole, done = (self.seconds, self.elapsed) if self.seconds else (self.epochs * self.steps, self.done)
        bar = ProgressBar(whole, done, width)
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(one_line(left), bar, one_line(right))
        yield grid

    def fitting(self, sparks: str, width: int) -> str:
        """Return as many parts as fit, most important first, with the time left at the end."""
        losses = self.format_metrics(self.row) if self.row else []
        rate, left = ([f"{self.rate:,.0f}/s"], self.remaining()) if self.rate else ([], [])
        step = f"step {self.done % self.steps}/{self.steps}"
        best = losses[-1:] if self.best[1] else []
        parts: list[str] = []
        for part in [*losses[1:2], *([sparks] if sparks else []), *best, *rate, *losses[:1], *losses[2:], step]:
            if part not in parts and len(GAP.join([*parts, part, *left])) <= width:
                parts.append(part)
        return GAP.join([*parts, *left])


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars of one letter each, from the lowest to the highest; empty for fewer than two."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    steps = (len(SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(SPARKS[round((value - low) * steps)] if math.isfinite(value) else " " for value in values)
