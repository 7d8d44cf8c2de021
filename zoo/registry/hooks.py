"""The hooks that a plugin may implement, and the two markers."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Any

import pluggy

from zoo.registry.kinds import DataKind, JudgeKind, MetricKind, ModelKind, PriorKind, TextKind

PROJECT = "zoo"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """Each hook takes nothing and yields typed objects; a plugin implements those that it needs."""

    @hookspec
    def zoo_models(self) -> Iterable[ModelKind[Any]]:
        """Yield the model kinds this plugin gives."""
        return ()

    @hookspec
    def zoo_priors(self) -> Iterable[PriorKind[Any]]:
        """Yield the prior kinds this plugin gives."""
        return ()

    @hookspec
    def zoo_text(self) -> Iterable[TextKind[Any]]:
        """Yield the text encoder kinds this plugin gives."""
        return ()

    @hookspec
    def zoo_data(self) -> Iterable[DataKind[Any]]:
        """Yield the data kinds this plugin gives."""
        return ()

    @hookspec
    def zoo_metrics(self) -> Iterable[MetricKind[Any]]:
        """Yield the metric kinds this plugin gives."""
        return ()

    @hookspec
    def zoo_judges(self) -> Iterable[JudgeKind[Any]]:
        """Yield the judge kinds this plugin gives."""
        return ()

    @hookspec
    def zoo_registries(self) -> Iterable[Traversable]:
        """Yield the registry files with the entries this plugin ships."""
        return ()


KIND_HOOKS = {
    "zoo_models": "model",
    "zoo_priors": "prior",
    "zoo_text": "text",
    "zoo_data": "data",
    "zoo_metrics": "metric",
    "zoo_judges": "judge",
}
