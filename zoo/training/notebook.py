"""Training progress in a notebook: a line that is redrawn, with the messages for the user below it."""

from __future__ import annotations

from zoo.display.html import LiveOutput, NotebookDisplay, muted_line, progress_bar, titled_block
from zoo.training.callbacks import Progress


class NotebookCallback(NotebookDisplay, Progress):
    """Progress of a training in the output of a notebook cell."""

    def __init__(self, name: str, output: LiveOutput | None = None) -> None:
        Progress.__init__(self, name)
        NotebookDisplay.__init__(self, output)

    def show(self) -> None:
        """Draw the metrics of an epoch; the last ones stay."""
        self.redraw()

    def html(self) -> str:
        """The bar, the figures and the notes."""
        done, whole = (self.elapsed, self.seconds) if self.seconds else (self.done, self.epochs * self.steps)
        return titled_block(
            self.name, progress_bar(done, whole), muted_line(self.words()), *map(muted_line, self.notes)
        )

    def text(self) -> str:
        """The same where no HTML is shown."""
        return f"{self.name}: {self.words()}"

    def words(self) -> str:
        """Epoch, figures, speed and time left."""
        if not self.steps:
            return "preparing ..."
        self.sample()
        epoch = self.done // self.steps + 1
        parts = [f"epoch {self.position(epoch if self.seconds else min(self.epochs, epoch))}"]
        parts += self.figures(self.row) if self.row else []
        over = not self.seconds and self.done >= self.epochs * self.steps
        speed = [f"{self.rate:,.0f} pictures/s", *self.remaining()] if self.rate and not over else []
        return ", ".join([*parts, *speed])
