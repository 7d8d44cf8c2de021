"""Options of the trackers."""

from __future__ import annotations

from typing import Literal

from zoo import Spec


class TensorBoardSpec(Spec):
    """One folder with the figures of all runs; the one in each run folder is written in any case."""

    dir: str = "tensorboard"
    """Folder to write to, with one subfolder per run."""


class MlflowSpec(Spec):
    """Runs of an MLflow experiment."""

    uri: str = ""
    """Server or database; empty for that of MLFLOW_TRACKING_URI, or MLflow's own default."""
    experiment: str = "pixel-zoo"
    """Name of the experiment; it is created if there is none."""


class WandbSpec(Spec):
    """Runs of a project of Weights & Biases."""

    project: str = "pixel-zoo"
    """Name of the project."""
    entity: str = ""
    """User or team that the project belongs to; empty for your default one."""
    mode: Literal["auto", "offline", "online"] = "auto"
    """offline writes files for `wandb sync`, online needs an API key; auto is WANDB_MODE, or else offline."""
    dir: str = ""
    """Folder in which the folder `wandb` is written; empty for the current one."""


class TrackioSpec(Spec):
    """Runs of a trackio project on this machine, shown by `trackio show`."""

    project: str = "pixel-zoo"
    """Name of the project."""


AnySpec = TensorBoardSpec | MlflowSpec | WandbSpec | TrackioSpec
