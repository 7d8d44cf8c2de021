"""Kinds and hooks, plugins, registry layers, entries, search spaces, recorded results, and builders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.registry.events import (
        EpochEnded,
        EvaluationEnded,
        Event,
        EventCallback,
        StudyEnded,
        TrainingEnded,
        TrainingFailed,
        TrainingStarted,
        TrialEnded,
        TrialReported,
        TrialStarted,
    )
    from zoo.registry.hooks import Hooks, hookimpl
    from zoo.registry.kinds import (
        AugmentKind,
        CallbackKind,
        DataKind,
        JudgeKind,
        MetricKind,
        ModelKind,
        Outputs,
        PriorKind,
        TextKind,
    )
    from zoo.registry.weights import Weights

__all__ = [
    "AugmentKind",
    "CallbackKind",
    "DataKind",
    "EpochEnded",
    "EvaluationEnded",
    "Event",
    "EventCallback",
    "Hooks",
    "JudgeKind",
    "MetricKind",
    "ModelKind",
    "Outputs",
    "PriorKind",
    "StudyEnded",
    "TextKind",
    "TrainingEnded",
    "TrainingFailed",
    "TrainingStarted",
    "TrialEnded",
    "TrialReported",
    "TrialStarted",
    "Weights",
    "hookimpl",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "zoo.registry.events": (
            "EpochEnded",
            "EvaluationEnded",
            "Event",
            "EventCallback",
            "StudyEnded",
            "TrainingEnded",
            "TrainingFailed",
            "TrainingStarted",
            "TrialEnded",
            "TrialReported",
            "TrialStarted",
        ),
        "zoo.registry.hooks": ("Hooks", "hookimpl"),
        "zoo.registry.kinds": (
            "AugmentKind",
            "CallbackKind",
            "DataKind",
            "JudgeKind",
            "MetricKind",
            "ModelKind",
            "Outputs",
            "PriorKind",
            "TextKind",
        ),
        "zoo.registry.weights": ("Weights",),
    },
)
