"""trackio: a run of a project on this machine for each run."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from zoo_trackers.spec import TrackioSpec
from zoo_trackers.tracker import RunInfo, Tracker, require


class Trackio(Tracker):
    """Log runs to a trackio project."""

    def __init__(self, spec: TrackioSpec) -> None:
        super().__init__()
        self.trackio, self.spec = require("trackio", "trackio"), spec

    def open(self, info: RunInfo) -> Any:
        """Open the run of this name, which has a part of the id, since trackio resumes by name."""
        with redirect_stdout(StringIO()):
            return self.trackio.init(
                project=self.spec.project,
                name=f"{info.name}-{info.id[:6]}",
                group=info.group or None,
                config={"entry": info.entry, **info.config},
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def log(self, handle: Any, figures: dict[str, float], step: int) -> None:
        """Log figures of an epoch."""
        handle.log(figures, step=step)

    def finish(self, handle: Any, state: str) -> None:
        """Wait until everything is written."""
        with redirect_stdout(StringIO()):
            handle.finish()
