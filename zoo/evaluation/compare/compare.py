"""`zoo.compare`: train variants of an entry in the same way and evaluate them, seed by seed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from zoo.core.errors import InterruptedRun, ZooError
from zoo.core.files import digest
from zoo.core.splits import check_split
from zoo.display.html import in_notebook
from zoo.evaluation.compare.axes import Axes, Values, variant_title
from zoo.evaluation.compare.callbacks import CompareCallback, CompareNotebookCallback
from zoo.evaluation.compare.folder import (
    ComparisonPlan,
    ComparisonRecord,
    choose_comparison,
    is_comparison,
)
from zoo.evaluation.compare.result import Comparison
from zoo.evaluation.compare.runner import CompareJob, ComparisonRunner
from zoo.registry.data_source import Data, with_data
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import Registry
from zoo.registry.listing import Paths, load_registry
from zoo.registry.overrides import refuse_without_effect, with_option
from zoo.registry.raw_entry import option_of
from zoo.registry.unused import unused_options
from zoo.runs.choose_folder import refuse_changes
from zoo.runs.find import resume_command
from zoo.runs.lock import lock_folder
from zoo.training.events import GivenCallbacks, named_callbacks, open_events
from zoo.training.fit_entry import fit_before_training

FOLDS, FOLD = "data.folds", "data.fold"


def compare(
    name: str,
    *overrides: str,
    data: Data | None = None,
    seeds: int = 1,
    folds: int | None = None,
    minutes: float | None = None,
    split: str = "test",
    device: str = "auto",
    fresh: bool = False,
    comparison: str | None = None,
    registries: Paths = (),
    callback: CompareCallback | None = None,
    callbacks: GivenCallbacks = (),
) -> Comparison:
    """Train and evaluate variants of an entry, or resume an unfinished comparison.

    An override with several values, e.g. `model.norm=before,after`, is an axis; several axes give every combination.
    All variants are trained with the first seed before any is trained with the second. Run folders are below
    `runs/NAME-compare`, or below `runs/COMPARISON`. A run that diverges is listed.

    Args:
        name: Name of the entry.
        *overrides: `key=value` and `key=value,value` texts.
        data: A data kind, a folder with one subfolder per class, Parquet files, or arrays `(x, y)` as `zoo.train` takes
            them; by default the entry's own data.
        seeds: The number of seeds for each variant, from `train.seed` on.
        folds: The number of parts for cross-validation: the training and validation pictures are cut into this many,
            stratified by class, and each variant is trained once without each part and evaluated on it. The test split
            is not used. An entry can then also be measured alone, without an axis.
        minutes: Training time of each run; None for the entry's own number of epochs.
        split: The split to evaluate: "train", "valid" or "test".
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        fresh: Whether to start a new comparison even if there is one with the same options.
        comparison: Name of the comparison.
        registries: Registry files to read in addition.
        callback: Called for every run; by default a table in a notebook, and nothing elsewhere.
        callbacks: Callback kinds with their options, or objects, as `zoo.train` takes them; they are told of each
            training and each evaluation.

    Returns:
        The metrics of each variant, their means and standard deviations over the seeds and folds.

    Raises:
        ZooError: If the entry or an option is unknown, or two variants are the same.
        JobError: If no training finishes.
        LockedError: If another process is running the same comparison.

    Example:
        >>> import zoo
        >>> zoo.compare("cnn", "model.norm=before,after", seeds=3)  # doctest: +SKIP
    """
    if seeds < 1:
        raise ZooError(f"cannot compare over {seeds} seeds", "use at least one")
    check_split(split)
    if folds is not None:
        check_folds(folds, split, overrides)
    refuse_without_effect(overrides, ["tune"], "a comparison", "it is for zoo tune")
    words = with_option("--minutes", minutes, "train.minutes", with_data(data, overrides))
    words = with_option("--folds", folds, FOLDS, words)
    found, _ = load_registry(registries)
    found.refuse_entries(words)
    axes = Axes.of(name, words, found.resolve(name), alone=folds is not None)
    jobs = plan_jobs(axes, seeds, found, folds or 0)
    callback = callback or (CompareNotebookCallback() if in_notebook() else CompareCallback())
    if (fitted := fit_before_training(jobs[0].entry)).changed:
        callback.note(fitted.describe())
        axes = replace(
            axes, options=axes.options | {key: [json.dumps(new)] for key, (_, new) in fitted.changed.items()}
        )
        jobs = plan_jobs(axes, seeds, found, folds or 0)
    base = found.resolve(name, axes.fixed).data
    plan = ComparisonPlan(
        name, split, sorted(axes.varying), {key: base[key] for key in base if key not in ("summary", "tune")}
    )
    arguments = {
        "seeds": seeds,
        "folds": folds,
        "minutes": minutes,
        "split": split,
        "device": device,
        "comparison": comparison,
        "callbacks": named_callbacks(callbacks),
    }
    command = resume_command("compare", name, with_data(data, overrides), arguments, registries)
    path = choose_comparison(plan, comparison, fresh)
    with (
        open_events(callbacks, callback.note, path.name) as events,
        lock_folder(path, "wait for it, or choose another name with --name"),
    ):
        record = ComparisonRecord.open(path) if is_comparison(path) else ComparisonRecord.begin(path, plan, command)
        refuse_changes("comparison", path, record.plan.changes(plan))  # another process may have been first
        runner = ComparisonRunner(axes, jobs, record, device, registries, callback, events)
        try:
            return runner.run()
        except (InterruptedRun, KeyboardInterrupt) as stop:
            code = stop.code if isinstance(stop, InterruptedRun) else InterruptedRun.code
            raise InterruptedRun(f"interrupted; finished work is kept. Resume with: {command}", code) from None


def check_folds(folds: int, split: str, overrides: Iterable[str]) -> None:
    """Raise ZooError for fewer than two folds, and for what has no effect beside folds."""
    if folds < 2:
        raise ZooError(f"cannot cross-validate with {folds} folds", "use at least two, e.g. --folds 5")
    if split != "test":
        raise ZooError(f"--split {split} has no effect beside --folds: the fold is evaluated", "drop one of them")
    if any(option_of(word) in (FOLD, FOLDS) for word in overrides):
        raise ZooError("--folds trains on all folds", f"drop {FOLDS} and {FOLD}")


def plan_jobs(axes: Axes, seeds: int, found: Registry, folds: int = 0) -> list[CompareJob]:
    """Plan and validate all trainings, seed by seed and fold by fold; ZooError if two variants are the same."""
    known: dict[str, Values] = {}
    entries: list[Entry] = []
    for values in axes.variants:
        first_fold = [f"{FOLD}=1"] if folds else []
        chosen = resolve_entry(found.resolve(axes.entry, [*axes.overrides(values), *first_fold]))
        entries.append(chosen)
        other = known.setdefault(digest(chosen.spelt_alike()), values)
        if other is not values:
            text = f"{variant_title(other)} and {variant_title(values)} are the same for {axes.entry}"
            raise ZooError(text, "remove one of them")
    voids = [unused_options(each, axes.options) for each in entries]
    for key, error in voids[0].items():
        if all(key in void for void in voids):  # in some variants it may have an effect
            raise error
    first = chosen.train.seed
    parts = range(1, folds + 1) if folds else [0]
    order = product(range(first, first + seeds), parts, axes.variants)
    return [plan_job(axes, values, seed, fold, found) for seed, fold, values in order]


def plan_job(axes: Axes, values: Values, seed: int, fold: int, found: Registry) -> CompareJob:
    """Plan the training of a variant with one seed, and without one fold unless it is 0."""
    words = [*axes.overrides(values), f"train.seed={seed}", *([f"{FOLD}={fold}"] if fold else [])]
    return CompareJob(values, seed, words, resolve_entry(found.resolve(axes.entry, words)), fold)
