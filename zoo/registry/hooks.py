"""The hooks that a plugin may implement, and pluggy's two markers."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Any

import pluggy

from zoo.registry.kinds import (
    AugmentKind,
    CallbackKind,
    DataKind,
    JudgeKind,
    MetricKind,
    ModelKind,
    PriorKind,
    TextKind,
)
from zoo.registry.weights import Weights

PROJECT = "zoo"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """The hooks of a plugin: each takes no arguments and yields what the plugin provides.

    A plugin implements those that it needs, as functions marked with `hookimpl`.

    Example:
        >>> from zoo import DataInfo, ModelKind, Spec, hookimpl
        >>> class LinearSpec(Spec):
        ...     "Options of a linear classifier."
        >>> def build(spec: LinearSpec, info: DataInfo):
        ...     from zoo.testing.toys import LinearClassifier
        ...     return LinearClassifier(info)
        >>> @hookimpl
        ... def zoo_models():
        ...     yield ModelKind("linear", LinearSpec, build, "One linear layer.")
        >>> [kind.name for kind in zoo_models()]
        ['linear']
    """

    @hookspec
    def zoo_models(self) -> Iterable[ModelKind[Any]]:
        """Yield the model kinds of this plugin."""
        return ()

    @hookspec
    def zoo_priors(self) -> Iterable[PriorKind[Any]]:
        """Yield the prior kinds of this plugin."""
        return ()

    @hookspec
    def zoo_text(self) -> Iterable[TextKind[Any]]:
        """Yield the text encoder kinds of this plugin."""
        return ()

    @hookspec
    def zoo_data(self) -> Iterable[DataKind[Any]]:
        """Yield the data kinds of this plugin."""
        return ()

    @hookspec
    def zoo_metrics(self) -> Iterable[MetricKind[Any]]:
        """Yield the metric kinds of this plugin."""
        return ()

    @hookspec
    def zoo_judges(self) -> Iterable[JudgeKind[Any]]:
        """Yield the judge kinds of this plugin."""
        return ()

    @hookspec
    def zoo_augment(self) -> Iterable[AugmentKind[Any]]:
        """Yield the augmentation kinds of this plugin."""
        return ()

    @hookspec
    def zoo_callbacks(self) -> Iterable[CallbackKind[Any]]:
        """Yield the callback kinds of this plugin."""
        return ()

    @hookspec
    def zoo_registries(self) -> Iterable[Traversable]:
        """Yield the registry files with the entries of this plugin."""
        return ()

    @hookspec
    def zoo_weights(self) -> Iterable[Weights]:
        """Yield the trained weights that this plugin ships, of its own entries or of others."""
        return ()


KIND_HOOKS = {
    "zoo_models": "model",
    "zoo_priors": "prior",
    "zoo_text": "text",
    "zoo_data": "data",
    "zoo_metrics": "metric",
    "zoo_judges": "judge",
    "zoo_augment": "augment",
    "zoo_callbacks": "callback",
}
