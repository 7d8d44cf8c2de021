"""pixel-zoo: a plugin-based model zoo with a registry for small pictures; nothing heavy is imported here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.api import (
        bench,
        entries,
        evaluate,
        load,
        predict,
        schema,
        show,
        studies,
        train,
        tune,
    )
    from zoo.comparison import compare
    from zoo.dataspec import DataSpec
    from zoo.errors import ZooError
    from zoo.generators import edit, interpolate, mix, reconstruct, sample, score
    from zoo.hooks import hookimpl
    from zoo.kinds import CodeInfo, DataInfo, DataKind, JudgeKind, MetricKind, ModelKind, PriorKind, TextKind
    from zoo.spec import Choice, Range, Spec

__version__ = "0.1.0"
API = 1
"""The level of what plugins may rely on (zoo.stable); it rises when a change breaks them."""

_HOMES = {
    "zoo.api": (
        "bench",
        "entries",
        "evaluate",
        "load",
        "predict",
        "schema",
        "show",
        "studies",
        "train",
        "tune",
    ),
    "zoo.comparison": ("compare",),
    "zoo.dataspec": ("DataSpec",),
    "zoo.errors": ("ZooError",),
    "zoo.generators": ("edit", "interpolate", "mix", "reconstruct", "sample", "score"),
    "zoo.hooks": ("hookimpl",),
    "zoo.kinds": (
        "CodeInfo",
        "DataInfo",
        "DataKind",
        "JudgeKind",
        "MetricKind",
        "ModelKind",
        "PriorKind",
        "TextKind",
    ),
    "zoo.spec": ("Choice", "Range", "Spec"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - for plugins first, then what people call
    "API",
    "hookimpl",
    "Spec",
    "Range",
    "Choice",
    "DataInfo",
    "CodeInfo",
    "DataSpec",
    "ModelKind",
    "PriorKind",
    "TextKind",
    "DataKind",
    "MetricKind",
    "JudgeKind",
    "ZooError",
    "entries",
    "show",
    "train",
    "tune",
    "compare",
    "studies",
    "load",
    "evaluate",
    "predict",
    "sample",
    "mix",
    "edit",
    "score",
    "reconstruct",
    "interpolate",
    "bench",
    "schema",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `zoo --help` pays for none of them."""
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
