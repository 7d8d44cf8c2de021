"""Weights & Biases: a run of a project for each run, in files of this machine unless a server is asked for."""

from __future__ import annotations

import netrc
import os
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from zoo.core import MissingError
from zoo_trackers.spec import WandbSpec
from zoo_trackers.tracker import RunInfo, Tracker, require


class Wandb(Tracker):
    """Log runs to a project of Weights & Biases."""

    def __init__(self, spec: WandbSpec) -> None:
        super().__init__()
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.mode = os.environ.get("WANDB_MODE", "offline") if spec.mode == "auto" else spec.mode
        if self.mode == "online" and not has_key():
            hint = "set WANDB_API_KEY, run `wandb login`, or use mode=offline and `wandb sync` later"
            raise MissingError("--track wandb has no API key for mode=online", hint)
        self.wandb, self.spec = require("wandb", "wandb"), spec

    def open(self, info: RunInfo) -> Any:
        """Open the run with this id."""
        settings = self.wandb.Settings(console="off", silent=True, disable_git=True, x_disable_stats=True)
        run = self.wandb.init(
            project=self.spec.project,
            entity=self.spec.entity or None,
            dir=self.spec.dir or None,
            mode=self.mode,
            id=info.id,
            resume="allow",
            reinit="create_new",
            name=info.name,
            group=info.group or None,
            config={"entry": info.entry, **info.config},
            allow_val_change=True,
            settings=settings,
        )
        run.define_metric("*", step_metric="epoch")
        return run

    def log(self, handle: Any, figures: dict[str, float], step: int) -> None:
        """Log figures over the epoch."""
        handle.log({**figures, **({"epoch": step} if step else {})})

    def finish(self, handle: Any, state: str) -> None:
        """Record how the run ended."""
        handle.summary["state"] = state
        handle.finish(exit_code=0 if state in ("done", "pruned") else 1)


def has_key() -> bool:
    """Whether there is an API key, in the environment or in netrc, so that nobody is asked for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    with suppress(OSError, netrc.NetrcParseError):
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False
