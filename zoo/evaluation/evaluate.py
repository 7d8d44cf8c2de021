"""Evaluate a run: compute class scores, the metrics of the model, and those of metric kinds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from zoo.core.errors import ZooError
from zoo.core.notes import Tell, ignore
from zoo.core.splits import check_split
from zoo.core.types import DataInfo
from zoo.core.views import ONE_VIEW
from zoo.data.dataset import Pictures
from zoo.data.loader import batches
from zoo.evaluation.classified import ClassifiedSplit
from zoo.evaluation.ensemble import (
    classifier_means,
    describe_members,
    ensemble_outputs,
    ensemble_result,
    open_members,
)
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.metric_results import MetricResults, compute_metrics
from zoo.evaluation.ranking import class_curves, ranking, thresholds
from zoo.models.averaging import with_views
from zoo.models.base import Classifier, Model
from zoo.models.calibration import has_own_metrics
from zoo.models.metrics import EVAL_BATCH, mean_metrics
from zoo.registry.catalog import catalog
from zoo.registry.data_source import Data
from zoo.registry.entry import Entry
from zoo.registry.events import EvaluationEnded
from zoo.registry.kinds import Outputs
from zoo.registry.results import append_result, current_hash, make_result
from zoo.runs.apply import class_scores
from zoo.runs.ensemble import Runs, ensemble_label, load_runs
from zoo.runs.inputs import check_pictures, run_overrides
from zoo.runs.lock import lock_file
from zoo.runs.run import Run
from zoo.training.events import Events, GivenCallbacks, open_events, run_group, run_id

if TYPE_CHECKING:
    from zoo.models.sampling import SamplingOptions

NO_JUDGE = "none"
"""The value of `judge` that turns the judge off."""
DEFAULT_JUDGE = "judge"
"""The entry whose classifier judges samples by default."""


def compute_outputs(
    model: Model, pictures: Pictures, info: DataInfo, device: torch.device, autocast: torch.dtype | None = None
) -> Outputs:
    """Run a model over pictures; loss and accuracy of a classifier are computed from its scores.

    A classifier that overrides `metrics` is run a second time for them.
    """
    model.eval()
    scores = class_scores(model, pictures, device, autocast) if isinstance(model, Classifier) else None
    if scores is None or (isinstance(model, Classifier) and has_own_metrics(model)):
        return Outputs(
            model, info, pictures, mean_metrics(model, batches(pictures, EVAL_BATCH, device), autocast), scores
        )
    return Outputs(model, info, pictures, classifier_means(scores, pictures.y.cpu()), scores)


class EvaluationRequest(NamedTuple):
    """What is evaluated, and how, as the arguments of `evaluate` say; the same for one run and for an ensemble."""

    overrides: Sequence[str]
    data: Data | None
    split: str
    device: torch.device
    views: str
    metrics: Collection[str]
    record: str | Path | None
    data_name: str
    precision: float | None


def evaluate(
    run: Runs,
    *overrides: str,
    data: Data | None = None,
    split: str = "test",
    device: str = "auto",
    record: str | Path | None = None,
    data_name: str = "",
    judge: str = DEFAULT_JUDGE,
    guidance: float = 0.0,
    temperature: float = 1.0,
    metrics: Collection[str] = (),
    views: str = ONE_VIEW,
    precision: float | None = None,
    tell: Tell = ignore,
    callbacks: GivenCallbacks = (),
) -> Evaluation:
    """Compute the metrics of a run over a split.

    A classifier is also evaluated class by class. Samples of a generator are evaluated by a judge.

    Args:
        run: A run folder, a name below `runs`, an entry or a study. Several, in a list or joined by `+`, are an
            ensemble: the mean of the class probabilities of classifiers with the same classes and data.
        *overrides: `key=value` texts for the data, and for options that do not affect the weights.
        data: A data kind, a folder with one subfolder per class, or Parquet files, read in the shape that the model
            takes, or arrays `(x, y)` as `zoo.train` takes them; by default the data of the run.
        split: The split to evaluate: "train", "valid" or "test".
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        record: A registry file to which to append the result; None to leave it out.
        data_name: The name of the pictures in the recorded result; by default the data kind.
        judge: The judge of a generator's samples: a judge kind, an entry whose classifier is trained once on the same
            pictures and cached, a run, or "none"; by default that of the data kind, or else the entry `judge`.
        guidance: Guidance of the samples for the judge.
        temperature: Temperature of the samples for the judge.
        metrics: Metric kinds of plugins that the entry does not use, to show among the others.
        views: What a classifier's probabilities are averaged over at test time: "none", "flip" (each picture as it is
            and mirrored), "shift" (as it is and shifted by a pixel towards each corner) or "flip+shift". Figures of the
            model's own but for loss and accuracy are then left out.
        precision: A precision for which to find the least probability of each class of a classifier, above 0 and at
            most 1; the result has it in `details["thresholds"]`.
        tell: Called with a message before each slow step.
        callbacks: Callback kinds with their options, or objects, as `zoo.train` takes them.

    Returns:
        The metrics, and details that are more than a number, such as the confusion matrix.

    Raises:
        ZooError: If the run or the split is unknown, or an option does not apply to the model.
        DataError: If the pictures are missing or do not fit.

    Example:
        >>> import zoo
        >>> zoo.evaluate("cnn", split="valid").metrics["accuracy"]  # doctest: +SKIP
        0.97
    """
    from zoo.models.device import choose_device

    check_split(split)
    check_precision(precision)
    for name in metrics:
        catalog().find("metric", name)
    with open_events(callbacks, tell) as events:
        named = data if isinstance(data, str | Path) else None
        runs, torch_device = load_runs(run, named), choose_device(device)
        request = EvaluationRequest(overrides, data, split, torch_device, views, metrics, record, data_name, precision)
        if len(runs) > 1:
            if judge not in (DEFAULT_JUDGE, NO_JUDGE) or (guidance, temperature) != (0.0, 1.0):
                raise ZooError("an ensemble draws no samples", "drop the judge, guidance and temperature")
            evaluation = evaluate_ensemble(runs, request)
        else:
            evaluation = evaluate_run(runs[0], request, judge, guidance, temperature, tell)
        send_evaluation(events, evaluation, runs)
    return evaluation


def evaluate_run(
    opened: Run,
    request: EvaluationRequest,
    judge: str,
    guidance: float,
    temperature: float,
    tell: Tell,
) -> Evaluation:
    """Compute the metrics of one run, with a judge of its samples if it is a generator."""
    from zoo.evaluation.gallery import make_gallery, sampling_options
    from zoo.evaluation.judges import find_judge
    from zoo.models.device import autocast_type
    from zoo.models.generator import Generator
    from zoo.registry.blame import model_errors
    from zoo.registry.build import build_data

    words = run_overrides(opened, request.data, request.overrides)
    changed = opened.with_overrides(words)
    refuse_fold(request.record, changed, opened.label)
    model = with_views(opened.calibrated(opened.model(request.device, words)), request.views, opened.label)
    options = sampling_options(opened, model, guidance, temperature)
    check_options(opened, model, judge, options, request.precision)
    splits, _ = build_data(changed.data)
    pictures: Pictures = getattr(splits, request.split)
    check_pictures(opened, changed, splits.info, request.split, pictures)
    with model_errors(changed, "evaluation"):
        model.set_texts(pictures.text_table)
        autocast = autocast_type(request.device, changed.train.precision)
        found = compute_outputs(model, pictures, opened.info, request.device, autocast)
        gallery = None
        if isinstance(model, Generator) and (name := judge_name(judge, changed, opened.info, tell)) != NO_JUDGE:
            named_judge = find_judge(name, opened, changed, splits, request.device, tell)
            gallery = make_gallery(model, named_judge, pictures, splits.train, request.device, options=options)
        found = replace(found, gallery=gallery)
    predictions = ClassifiedSplit.of(request.split, found)
    results = compute_metrics(found, changed, request.metrics)
    results = with_ranking(results, predictions, request.precision)
    results = with_calibration(results, opened, predictions)
    evaluation = Evaluation(
        run=opened.path,
        split=request.split,
        pictures=len(pictures),
        classes=list(opened.info.classes),
        **results._asdict(),
        judge=gallery.judge if gallery else "",
        temperature=options.temperature,
        guidance=options.guidance,
        averaging=getattr(model, "averaging", ""),
        gallery=gallery,
        predictions=predictions,
    )
    if request.record is not None:
        name = request.data_name or changed.data.name
        result = make_result(opened.entry, name, evaluation.to_dict(), opened.record)
        record_result(request.record, result, [opened], evaluation)
    return evaluation


def check_options(run: Run, model: Model, judge: str, options: SamplingOptions, precision: float | None) -> None:
    """Raise ZooError for options that have no effect on this kind of model."""
    from zoo.models.generator import Generator

    if judge == NO_JUDGE and options.non_default():
        text = "--judge none evaluates no samples, so guidance and temperature have no effect"
        raise ZooError(text, "drop --judge none")
    if judge not in (DEFAULT_JUDGE, NO_JUDGE) and not isinstance(model, Generator):
        raise ZooError(f"{run.name} is not a generator, so there are no samples to judge", "drop --judge")
    if precision is not None and not isinstance(model, Classifier):
        raise ZooError(f"{run.name} is not a classifier, so no class has a precision", "drop --precision")


def judge_name(judge: str, entry: Entry, info: DataInfo, tell: Tell) -> str:
    """Return the name of the judge of a generator's samples, or NO_JUDGE where they cannot be judged."""
    if judge == DEFAULT_JUDGE:
        judge = entry.data.kind.judge or judge
    if judge == DEFAULT_JUDGE and len(info.classes) < 2:
        tell("samples are not judged: a classifier as judge needs at least two classes; --judge sets another")
        return NO_JUDGE
    return judge


def send_evaluation(events: Events, evaluation: Evaluation, runs: Sequence[Run]) -> None:
    """Send the metrics of an evaluation to callbacks."""
    entry = "+".join(run.entry.name for run in runs)
    known, group = (run_id(runs[0]), run_group(runs[0].path)) if len(runs) == 1 else ("", "")
    found = evaluation.run, known, entry, evaluation.split, evaluation.pictures, evaluation.metrics
    events.send(EvaluationEnded(*found, events.group or group))


def evaluate_ensemble(runs: Sequence[Run], request: EvaluationRequest) -> Evaluation:
    """Compute the metrics of the mean of the class probabilities of several runs."""
    for run in runs:
        refuse_fold(request.record, run.entry, run.label)
    members = open_members(runs, request.overrides, request.data, request.split, request.device, request.views)
    found, entry = ensemble_outputs(members), members[0].entry
    predictions = ClassifiedSplit.of(request.split, found)
    results = compute_metrics(found, entry, request.metrics)
    results = with_ranking(results, predictions, request.precision)
    evaluation = Evaluation(
        run=Path(ensemble_label(runs)),
        split=request.split,
        pictures=len(found.pictures),
        classes=list(found.info.classes),
        **results._asdict(),
        averaging=getattr(found.model, "averaging", ""),
        members=describe_members(runs),
        predictions=predictions,
    )
    if request.record is not None:
        result = ensemble_result(runs, request.data_name or entry.data.name, evaluation.to_dict())
        record_result(request.record, result, runs, evaluation)
    return evaluation


def check_precision(precision: float | None) -> None:
    """Raise ZooError unless a precision is a share."""
    if precision is not None and not 0 < precision <= 1:
        raise ZooError(f"there is no precision of {precision:g}", "give one above 0 and at most 1, e.g. 0.95")


def with_ranking(found: MetricResults, split: ClassifiedSplit | None, precision: float | None) -> MetricResults:
    """Add how well each class of a classifier ranks, and the thresholds for a precision, to the details."""
    if split is None:
        return found
    more: dict[str, Any] = {"ranking": rows} if (rows := ranking(class_curves(split))) else {}
    more |= {} if precision is None else {"thresholds": thresholds(split, precision)}
    return found._replace(details=found.details | more)


def with_calibration(found: MetricResults, run: Run, split: ClassifiedSplit | None) -> MetricResults:
    """Add the calibration of a run's classifier to the details, if it has one."""
    kept = None if split is None else run.calibration
    return found if kept is None else found._replace(details=found.details | {"calibration": kept.to_dict()})


def record_result(record: str | Path, result: dict[str, Any], runs: Sequence[Run], evaluation: Evaluation) -> None:
    """Append a result to a registry file, and note which of the runs are not what their entries are now."""
    with lock_file(Path(record)):
        append_result(Path(record), result)
    for name in dict.fromkeys(run.entry.name for run in runs if run.entry.hash() != current_hash(run.entry.name)):
        note = f"recorded as stale: the run's options differ from those of the entry {name!r}"
        evaluation.problems.append(note)


def refuse_fold(record: str | Path | None, entry: Entry, name: str) -> None:
    """Raise ZooError for a result to be recorded of a run whose test split is a fold of the training pictures."""
    if record is not None and getattr(entry.data.spec, "fold", None) is not None:
        text = f"{name} is evaluated on a fold, so it is not a test-split result and cannot be recorded"
        raise ZooError(text, "train a run without data.fold, or leave out --record")
