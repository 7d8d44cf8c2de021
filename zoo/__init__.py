"""pixel-zoo: a plugin-based model zoo with a registry for small pictures; nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.lazy import lazy_names
from zoo.core.version import API
from zoo.core.version import __version__ as __version__

if TYPE_CHECKING:
    from zoo.core.errors import ZooError
    from zoo.core.sections import DataSpec, TransformSpec
    from zoo.core.spec import Choice, Range, Spec
    from zoo.core.types import CodeInfo, DataInfo
    from zoo.evaluation.calibrate import calibrate
    from zoo.evaluation.compare.compare import compare
    from zoo.evaluation.evaluate import evaluate
    from zoo.evaluation.explain import explain
    from zoo.evaluation.predict import predict
    from zoo.exporting.export import export
    from zoo.exporting.inference import bench_inference
    from zoo.generation.edit import edit, score
    from zoo.generation.reconstruct import interpolate, reconstruct
    from zoo.generation.sample import mix, sample
    from zoo.inspection.inspect import inspect
    from zoo.registry.hooks import hookimpl
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
    from zoo.registry.listing import entries, schema, show
    from zoo.registry.weights import Weights
    from zoo.reporting.report import report
    from zoo.runs.find import load
    from zoo.runs.pull import pull
    from zoo.runs.push import push
    from zoo.training.bench import bench
    from zoo.training.train import train
    from zoo.tuning.study_folder import studies
    from zoo.tuning.tune import tune

__all__ = [  # noqa: RUF022 - for plugins first, then what people call
    "API",
    "hookimpl",
    "Spec",
    "Range",
    "Choice",
    "DataInfo",
    "CodeInfo",
    "DataSpec",
    "TransformSpec",
    "ModelKind",
    "PriorKind",
    "TextKind",
    "DataKind",
    "MetricKind",
    "JudgeKind",
    "AugmentKind",
    "CallbackKind",
    "Weights",
    "ZooError",
    "entries",
    "show",
    "inspect",
    "train",
    "tune",
    "compare",
    "studies",
    "load",
    "evaluate",
    "calibrate",
    "report",
    "predict",
    "explain",
    "sample",
    "mix",
    "edit",
    "score",
    "reconstruct",
    "interpolate",
    "export",
    "push",
    "pull",
    "bench",
    "bench_inference",
    "schema",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "zoo.core.errors": ("ZooError",),
        "zoo.core.sections": ("DataSpec", "TransformSpec"),
        "zoo.core.spec": ("Choice", "Range", "Spec"),
        "zoo.core.types": ("CodeInfo", "DataInfo"),
        "zoo.evaluation.compare.compare": ("compare",),
        "zoo.evaluation.calibrate": ("calibrate",),
        "zoo.evaluation.evaluate": ("evaluate",),
        "zoo.evaluation.explain": ("explain",),
        "zoo.evaluation.predict": ("predict",),
        "zoo.exporting.export": ("export",),
        "zoo.exporting.inference": ("bench_inference",),
        "zoo.generation.edit": ("edit", "score"),
        "zoo.generation.reconstruct": ("interpolate", "reconstruct"),
        "zoo.generation.sample": ("mix", "sample"),
        "zoo.inspection.inspect": ("inspect",),
        "zoo.registry.hooks": ("hookimpl",),
        "zoo.registry.kinds": (
            "AugmentKind",
            "CallbackKind",
            "DataKind",
            "JudgeKind",
            "MetricKind",
            "ModelKind",
            "PriorKind",
            "TextKind",
        ),
        "zoo.registry.listing": ("entries", "schema", "show"),
        "zoo.registry.weights": ("Weights",),
        "zoo.reporting.report": ("report",),
        "zoo.runs.find": ("load",),
        "zoo.runs.pull": ("pull",),
        "zoo.runs.push": ("push",),
        "zoo.training.bench": ("bench",),
        "zoo.training.train": ("train",),
        "zoo.tuning.study_folder": ("studies",),
        "zoo.tuning.tune": ("tune",),
    },
)
