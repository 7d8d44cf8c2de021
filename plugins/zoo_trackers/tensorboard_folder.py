"""TensorBoard: the figures of all runs in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo_trackers.spec import TensorBoardSpec
from zoo_trackers.tracker import RunInfo, Tracker, require


class TensorBoard(Tracker):
    """Write a folder of events for each run."""

    def __init__(self, spec: TensorBoardSpec) -> None:
        super().__init__()
        require("tensorboard", "tb")
        self.folder = Path(spec.dir)

    def open(self, info: RunInfo) -> Any:
        """Open a writer in the folder of the run, with its options as a table."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.folder / info.group / f"{info.name}-{info.id[:6]}"))
        if info.config:
            rows = "".join(f"| {name} | {value} |\n" for name, value in info.config.items())
            writer.add_text("options", f"| option | value |\n| --- | --- |\n{rows}")
        return writer

    def log(self, handle: Any, figures: dict[str, float], step: int) -> None:
        """Write scalars."""
        for name, value in figures.items():
            handle.add_scalar(name, value, step)

    def finish(self, handle: Any, state: str) -> None:
        """Write how the run ended, and close the writer."""
        handle.add_text("state", state)
        handle.close()
