"""The progress of a study, in plain lines or as a live block."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.cli.console import GAP, Screen
from zoo.cli.views.progress import BAR_WIDTH, draw_live
from zoo.core.errors import one_line
from zoo.display.format import format_duration
from zoo.training.callbacks import SPEED_WINDOW
from zoo.tuning.callbacks import StudyProgress
from zoo.tuning.study import (
    FAILED_STATES,
    LIVE_STATES,
    TRIAL_HEADS,
    Study,
    Trial,
    describe_study,
    headline,
    trial_label,
    trial_progress,
    trial_results,
    trial_row,
    varied_options,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text


MAX_ENDED_ROWS = 10
"""Maximum number of ended trials in the live table."""
WIDE_TERMINAL = 80
"""Terminal width from which numbers are written out."""
MIN_NOTE_WIDTH = 12
"""Width below which a note is left out."""
COLUMN_ORDER = (0, 1, 3, 2, 4, 5)
"""Order in which the columns are printed; TRIAL_HEADS has them by importance."""
STYLES = {"running": "cyan", "done": "green", "pruned": "dim", "waiting": "cyan dim"}


class StudyLines(StudyProgress):
    """Progress of a study: a line per ended trial, or after 30 seconds of silence."""

    def __init__(self, screen: Screen, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.screen, self.printed_at = screen, self.start_time

    def head(self, study: Study) -> None:
        """Print a line about the study that starts."""
        self.printed_at = self.start_time
        self.screen.note(", ".join(describe_study(study, self.parallel)))

    def refresh(self) -> None:
        """Print a line after a long silence."""
        if self.study and time.monotonic() - self.printed_at >= SPEED_WINDOW:
            running = [trial for trial in self.study.trials if trial.state == "running"]
            self.tell(
                ", ".join(f"{trial_label(trial)} {trial_progress(trial)}" for trial in running) or "no trial is running"
            )

    def show(self, trial: Trial) -> None:
        """Print how a trial ended."""
        parts = [f"{trial_label(trial)} {trial.state}", trial_progress(trial), *trial_results(trial)]
        self.tell(", ".join(parts) + (f": {trial.reason}" if trial.reason and trial.state in FAILED_STATES else ""))

    def tell(self, text: str) -> None:
        """Print one line with the state of the study."""
        assert self.study
        best = self.study.best
        parts = [text, *([f"best {trial_label(best)} {headline(self.study, best)[0]}"] if best else [])]
        parts += [", ".join(f"{state} {count}" for state, count in self.study.counts.items() if state != "done")]
        parts += [f"{format_duration(self.left)} left"] if math.isfinite(self.left) else []
        where = f"{self.study.name} {self.study.ended}/{self.study.spec.trials}"
        self.screen.note(f"{time.strftime('%H:%M:%S')} {where}: {'; '.join(filter(None, parts))}")
        self.printed_at = time.monotonic()

    def note(self, text: str) -> None:
        """Print a message for the user."""
        self.screen.note(text)


@contextmanager
def study_callback(screen: Screen, seconds: float | None = None) -> Iterator[StudyLines]:
    """A callback that suits stderr; `seconds` is how long the study may run."""
    if not screen.rich(sys.stderr):
        yield StudyLines(screen, seconds)
        return
    with draw_live(StudyBlock(screen, seconds), screen) as block:
        yield block


class StudyBlock(StudyLines):
    """Progress of a study as a live block, refreshed four times a second."""

    live: Any = None
    over = False

    def head(self, study: Study) -> None:
        """Do nothing, since the block shows the study's head."""

    def refresh(self) -> None:
        """Do nothing, since the block is refreshed regularly."""

    def show(self, trial: Trial) -> None:
        """Do nothing, since the display is redrawn regularly."""

    def note(self, text: str) -> None:
        """Print a message above the block."""
        self.live.console.print(one_line(text))

    def end(self, study: Study) -> None:
        """Remove the table, since the results follow on stdout."""
        self.over = True
        if self.study:
            self.study = study

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        study, width = self.study, options.max_width
        if not study:
            yield from [] if self.over else ["preparing ..."]
            return
        head, *more = describe_study(study, self.parallel)
        yield fit_line([(head, "bold"), *((part, "") for part in more)], width)
        yield self.bar(study, width)
        if counts := [(f"{state} {count}", STYLES.get(state, "red")) for state, count in study.counts.items()]:
            yield fit_line(counts, width)
        if self.over:
            return
        if best := study.best:
            parts = [*headline(study, best), *varied_options(study, best)]
            yield fit_line([(f"best {trial_label(best)}", "bold green"), *((part, "") for part in parts)], width)
        room = console.height - 7
        if rows := self.newest(study, MAX_ENDED_ROWS)[: max(0, room)]:
            yield ""
            yield from trial_table(study, rows, width)

    def bar(self, study: Study, width: int) -> Any:
        """Build the bar with the trials that have ended, and the time."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        done = f"{study.ended}/{study.spec.trials}"
        left = f"{format_duration(self.left)} left" if math.isfinite(self.left) and not self.over else ""
        both = f"{format_duration(self.elapsed)}{GAP}{left}".rstrip()
        times = next((text for text in (both, left) if len(done) + BAR_WIDTH + len(text) + 2 <= width), "")
        room = max(BAR_WIDTH, width - len(done) - len(times) - 2)
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(done, ProgressBar(study.spec.trials, study.ended, room), times)
        return grid


def fit_line(parts: Iterable[tuple[str, str]], width: int) -> Text:
    """Join as many parts as fit on one line, always with the first."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop", end="\n")
    for part, style in parts:
        gap = GAP if text else ""
        if not text or text.cell_len + len(gap) + Text(part).cell_len <= width:
            text.append(gap).append(truncate(part, width), style)
    return text


def truncate(text: str, width: int) -> str:
    """Truncate a text to a width."""
    from rich.cells import cell_len, set_cell_size

    text = one_line(text)
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 3)).rstrip() + "..."[:width]


def trial_table(study: Study, trials: list[Trial], width: int) -> Iterator[Text]:
    """Yield a line per trial; columns that do not fit are left out, and remaining width is used for notes."""
    from rich.text import Text

    heads = [*TRIAL_HEADS[:4], "parameters" if width >= WIDE_TERMINAL else "size", TRIAL_HEADS[5]]
    rows = [trial_row(trial, written_out=width >= WIDE_TERMINAL) for trial in trials]
    sizes = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    shown = len(sizes)
    while shown > 1 and sum(sizes[:shown]) + len(GAP) * (shown - 1) > width:
        shown -= 1
    order = [index for index in COLUMN_ORDER if index < shown]
    room = width - sum(sizes[:shown]) - len(GAP) * shown
    best = study.best

    def row(words: list[str], style: str, note: str = "") -> Text:
        padded = [words[i].ljust(sizes[i]) if i < 2 else words[i].rjust(sizes[i]) for i in order]
        text = Text(truncate(padded[0], width), style="bold" if style == "bold" else "", no_wrap=True, overflow="crop")
        text.append("".join(GAP + word for word in padded[1:2]), style).append("".join(GAP + w for w in padded[2:]))
        return text.append(GAP + note if note else "")

    yield row(heads, "bold", "note" if room >= MIN_NOTE_WIDTH else "")
    for trial, words in zip(trials, rows, strict=True):
        yield row(
            words,
            STYLES.get(trial.state, "red"),
            trial_note(study, trial, best, room) if room >= MIN_NOTE_WIDTH else "",
        )


def trial_note(study: Study, trial: Trial, best: Trial | None, room: int) -> str:
    """Return why a trial failed, or its options, as far as there is room."""
    if trial.state in FAILED_STATES:
        return truncate(trial.reason, room)
    marks = ["best"] if best and trial.number == best.number else []
    marks += [f"attempt {trial.attempts}"] if trial.state in LIVE_STATES and trial.attempts > 1 else []
    fitting = ""
    for part in [*marks, *varied_options(study, trial)]:
        if len(longer := f"{fitting} {part}".strip()) <= room:
            fitting = longer
    return fitting
