"""First-party metrics: for classifiers, for models with code words, and for generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo import MetricKind, hookimpl
from zoo_metrics.generators import KINDS
from zoo_metrics.spec import CalibrationSpec, IntervalsSpec, NoOptions

if TYPE_CHECKING:
    from zoo.registry import Outputs


def per_class(spec: NoOptions, found: Outputs) -> Mapping[str, Any] | None:
    """Compute `per_class`: accuracy (equal to recall), precision, recall and F1; and `macro_f1`."""
    from zoo_metrics.classifiers import per_class as compute

    return None if found.scores is None else compute(found.scores, found.labels, found.info.classes)


def confusion(spec: NoOptions, found: Outputs) -> Mapping[str, Any] | None:
    """Compute `confusion`: numbers of pictures by true class (rows) and predicted class (columns)."""
    from zoo_metrics.classifiers import confusion as compute

    return None if found.scores is None else compute(found.scores, found.labels, found.info.classes)


def calibration(spec: CalibrationSpec, found: Outputs) -> Mapping[str, Any] | None:
    """Compute `calibration_error`, the expected calibration error (Guo et al. 2017, arXiv:1706.04599).

    `reliability` has confidence and accuracy of bins with equally many pictures.
    """
    from zoo_metrics.classifiers import calibration_error, reliability

    if found.scores is None:
        return None
    rows = reliability(found.scores, found.labels, spec.bins)
    return calibration_error(found.scores, found.labels, spec.bins) | {"reliability": rows}


def intervals(spec: IntervalsSpec, found: Outputs) -> Mapping[str, Any] | None:
    """Compute `intervals`: the score interval of accuracy and the bootstrap interval of macro F1."""
    from zoo_metrics.resampling import macro_f1_interval, wilson_interval

    if found.scores is None:
        return None
    right = int(found.scores.argmax(1).eq(found.labels).sum())
    accuracy = wilson_interval(right, len(found.labels), spec.level)
    macro_f1 = macro_f1_interval(found.scores, found.labels, spec.resamples, spec.level, spec.seed)
    return {"intervals": {"level": spec.level, "accuracy": accuracy, "macro_f1": macro_f1}}


def top5(spec: NoOptions, found: Outputs) -> Mapping[str, Any] | None:
    """Compute `top5_accuracy`, the share of pictures whose class is among the five likeliest.

    Returns None for five classes or fewer.
    """
    from zoo_metrics.classifiers import top_accuracy

    return None if found.scores is None else top_accuracy(found.scores, found.labels, 5)


def usage_of_codes(spec: NoOptions, found: Outputs) -> Mapping[str, Any] | None:
    """Compute `codes_used`, `codes_perplexity` and `codes_bits` of a model with code words.

    They are the share of code words that the split uses, the perplexity of their distribution, and the prior's bits
    per code word.
    """
    from zoo_metrics.likelihood import code_usage

    return code_usage(found)


@hookimpl
def zoo_metrics() -> Iterator[MetricKind[Any]]:
    """Yield the metric kinds."""
    yield MetricKind("per-class", NoOptions, per_class, "precision, recall and F1 of each class")
    yield MetricKind("confusion", NoOptions, confusion, "confusion matrix")
    yield MetricKind(
        "calibration", CalibrationSpec, calibration, "calibration error: how far confidence is from accuracy"
    )
    yield MetricKind("intervals", IntervalsSpec, intervals, "confidence intervals of accuracy and macro F1")
    yield MetricKind("top5", NoOptions, top5, "top-5 accuracy")
    yield MetricKind("codes", NoOptions, usage_of_codes, "how many code words are used, and bits per code word")
    yield from KINDS
