"""First-party callbacks that pass what happens on to trackers: TensorBoard, MLflow, Weights & Biases and trackio."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo import CallbackKind, hookimpl
from zoo_trackers import spec as specs

if TYPE_CHECKING:
    from zoo.registry import EventCallback

BUILDERS = {
    specs.TensorBoardSpec: ("tensorboard_folder", "TensorBoard"),
    specs.MlflowSpec: ("mlflow_server", "Mlflow"),
    specs.WandbSpec: ("wandb_project", "Wandb"),
    specs.TrackioSpec: ("trackio_project", "Trackio"),
}
"""Module and class of each tracker, which import its library, by its options."""


def build(spec: specs.AnySpec) -> EventCallback:
    """Build the tracker that has these options."""
    module, name = BUILDERS[type(spec)]
    found: EventCallback = getattr(import_module(f"zoo_trackers.{module}"), name)(spec)
    return found


@hookimpl
def zoo_callbacks() -> Iterator[CallbackKind[Any]]:
    """Yield the callback kinds."""
    summary = "figures of all runs in one folder for TensorBoard; needs pixel-zoo[tb]"
    yield CallbackKind("tensorboard", specs.TensorBoardSpec, build, summary)
    yield CallbackKind("mlflow", specs.MlflowSpec, build, "runs of an MLflow experiment; needs pixel-zoo[mlflow]")
    summary = "runs of a project of Weights & Biases, offline unless asked; needs pixel-zoo[wandb]"
    yield CallbackKind("wandb", specs.WandbSpec, build, summary)
    yield CallbackKind("trackio", specs.TrackioSpec, build, "runs of a trackio project; needs pixel-zoo[trackio]")
