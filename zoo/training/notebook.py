"""Training progress in a notebook: a line that is redrawn, with the messages for the user below it."""

from __future__ import annotations

from zoo.display.html import LiveOutput, NotebookDisplay, muted_line, progress_bar, titled_block
from zoo.training.callbacks import ProgressCallback


class NotebookCallback(NotebookDisplay, ProgressCallback):
    """Progress of a training in the output of a notebook cell."""

    def __init__(self, name: str, output: LiveOutput | None = None) -> None:
        ProgressCallback.__init__(self, name)
        NotebookDisplay.__init__(self, output)

    def show(self) -> None:
        """Draw the metrics of an epoch; the last ones stay."""
        self.redraw()

    def html(self) -> str:
        """Format the bar, the metrics and the messages as HTML."""
        done, whole = (self.elapsed, self.seconds) if self.seconds else (self.done, self.epochs * self.steps)
        return titled_block(
            self.name, progress_bar(done, whole), muted_line(self.status()), *map(muted_line, self.notes)
        )

    def text(self) -> str:
        """Format the same without HTML."""
        return f"{self.name}: {self.status()}"

    def status(self) -> str:
        """Format epoch, metrics, speed and time left."""
        if not self.steps:
            return "preparing ..."
        self.sample()
        epoch = self.done // self.steps + 1
        parts = [f"epoch {self.position(epoch if self.seconds else min(self.epochs, epoch))}"]
        parts += self.format_metrics(self.row) if self.row else []
        over = not self.seconds and self.done >= self.epochs * self.steps
        speed = [f"{self.rate:,.0f} pictures/s", *self.remaining()] if self.rate and not over else []
        return ", ".join([*parts, *speed])
