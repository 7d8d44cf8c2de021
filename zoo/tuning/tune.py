"""`zoo.tune`: choose the study, lock its folder, run the engine and return the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core.errors import InterruptedRun, JobError, ZooError
from zoo.display.html import in_notebook
from zoo.registry.augments import refuse_mixed_labels
from zoo.registry.data_source import Data, with_data
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.listing import load_registry, overridden_options
from zoo.registry.overrides import with_option
from zoo.registry.raw_entry import Locations, RawEntry, overlay, typed_options
from zoo.registry.search.checks import check_epochs, check_objective
from zoo.registry.search.space import Space
from zoo.registry.stages import check_initial_scale, check_stage_names
from zoo.registry.unused import refuse_unused
from zoo.runs.choose_folder import refuse_changes
from zoo.runs.find import resume_command
from zoo.runs.lock import lock_folder
from zoo.runs.names import ROOT, is_run
from zoo.training.events import GivenCallbacks, named_callbacks, open_events
from zoo.training.fit_to_pictures import Fit
from zoo.training.signals import catch_signals
from zoo.training.start import pin_start
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions
from zoo.tuning.engine import Engine, TrialsStillRunning
from zoo.tuning.events import TrialSender
from zoo.tuning.fit_study import describe_space, fit_space
from zoo.tuning.ledger import Ledger
from zoo.tuning.ray_client import SCHEME, RayClientEngine
from zoo.tuning.starts import choose_starts, find_study, study_place
from zoo.tuning.storage import write_errors
from zoo.tuning.study import ENDED_STATES, Study, main_failure
from zoo.tuning.study_folder import (
    StudyPlan,
    changes_in,
    choose_study,
    discard_study,
    is_study,
    read_confirmed,
    read_plan,
    write_best,
    write_budget,
    write_plan,
)

if TYPE_CHECKING:
    from zoo.registry.listing import Paths


class AllFailedError(JobError):
    """Raised when no trial of a study finished."""

    def __init__(self, study: Study) -> None:
        super().__init__(f"none of the {study.ended} trials of {study.path} finished", main_failure(study))
        self.study = study


@dataclass(frozen=True)
class TuneRequest:
    """Arguments of a call of `zoo.tune`, which override those of the entry."""

    options: dict[str, Any]
    """Options of TuneSpec; None for those of the entry."""
    seconds: float | None
    fresh: bool
    study: str | None
    confirm: bool
    older: str | None
    """The older study whose best trials the new one begins with."""
    root: Path
    cluster: ClusterOptions
    command: str
    typed: list[str]
    """Names of the options that overrides set."""


def run_study(raw: RawEntry, fixed: list[str], request: TuneRequest, callback: TuneCallback) -> Study:
    """Run a new study, or resume one."""
    entry = resolve_entry(with_tune_options(raw, request.options))
    check_objective(entry.tune)
    space = Space.of(raw, entry, entry.tune.space, fixed)
    client = (request.cluster.address or "").startswith(SCHEME)
    # Through a Ray client the pictures are on another machine.
    fitted = Fit() if client else fit_to_pictures(entry)
    if fitted.changed:
        entry = fitted.apply(entry)
        space = fit_space(Space.of(raw, entry, entry.tune.space, fixed), fitted, entry)
        callback.note(describe_space(fitted, space))
    check_epochs(entry, space)
    refuse_unused(entry, request.typed, [dimension.path for dimension in space.dimensions])
    check_training_options(entry, space)
    older = str(study_place(request.older, request.root)) if request.older else None
    plan = StudyPlan.of(entry.dump(), entry.tune, space.describe(), older)
    folder = choose_study(plan, request.root, request.study, request.fresh).resolve()
    with lock_folder(folder, "wait for it, or choose another name with --name"), catch_signals() as stop:
        if is_study(folder):
            refuse_changes("study", folder, changes_in(folder, plan))  # another process may have been first
        else:
            before = find_study(request.older, request.root) if request.older else None
            begin_study(folder, plan, entry, space, before, request.command, callback)
        plan = read_plan(folder)
        entry = replace(entry, tune=entry.tune.model_copy(update={"startup": plan.tune["startup"]}))
        write_budget(folder, entry.tune)
        ledger = Ledger(folder, entry, entry.tune, space, plan.starts)
        engine_type = RayClientEngine if client else Engine
        engine = engine_type(ledger, request.cluster, callback, stop, request.command, request.seconds, request.confirm)
        try:
            run_engine(engine)
        except ZooError as error:
            begun = any(
                trial.epoch or trial.state in ENDED_STATES or is_run(trial.run) for trial in ledger.trials.values()
            )
            if not (begun or (ledger.trials and isinstance(error, InterruptedRun))):
                ledger.close()
                discard_study(folder)
            raise
        finally:
            ledger.close()
        if not ledger.remaining() and ledger.study.best is None:
            raise AllFailedError(ledger.study)
        return replace(ledger.study, confirmed=read_confirmed(folder, ledger.spec))


def begin_study(
    folder: Path,
    plan: StudyPlan,
    entry: Entry,
    space: Space,
    older: Study | None,
    command: str,
    callback: TuneCallback,
) -> None:
    """Record the plan of a new study, and say which trials it begins with."""
    starts = choose_starts(space, entry, older)
    tune = plan.tune | {"startup": entry.tune.random_trials}
    write_plan(folder, replace(plan, tune=tune, starts=tuple(start.record() for start in starts)), command)
    for number, start in enumerate(starts):
        callback.note(start.describe(number))
    if entry.tune.startup == "auto" and entry.tune.sampler in ("tpe", "gp"):
        many = entry.tune.random_trials
        when = f"once {many} trial{'s have' if many != 1 else ' has'} ended" if many else "from the first trial on"
        callback.note(f"{entry.tune.sampler} uses results {when} (tune.startup={many})")


def fit_to_pictures(entry: Entry) -> Fit:
    """Choose the options that follow the pictures; torch is imported only where some may."""
    if entry.typed is None:
        return Fit()
    from zoo.training.fit_entry import fit_before_training
    from zoo.tuning.trial_build import trial_build

    return fit_before_training(entry, lambda each, info: trial_build(each, info).size())


def check_training_options(entry: Entry, space: Space) -> None:
    """Raise ZooError if options of a stage are set or searched, or labels mixed, for which the model is not made."""
    searched = [dimension.path for dimension in space.dimensions]
    of_stages = entry.train.stages or any(path.startswith("train.stages.") for path in searched)
    if not (of_stages or entry.train.augment.then or entry.train.initial_scale):
        return
    from zoo.registry.build import data_info
    from zoo.tuning.trial_build import trial_build

    try:
        info = data_info(entry.data)
    except Exception:  # what fails is reported by the trials
        return
    found = trial_build(entry, info)
    if found.counted and not found.counted.classifier:
        refuse_mixed_labels(entry.train.augment)
    if found.counted:
        check_initial_scale(entry.train, found.counted.takes_smaller_pictures)
    if found.stages is not None:  # the entry itself need not fit together, likewise
        check_stage_names(entry.train, found.stages, searched)


def run_engine(engine: Engine) -> None:
    """Run the remaining trials, and record the best one even after an error."""
    ledger = engine.ledger
    try:
        if engine.left:
            with write_errors(ledger.folder):
                engine.run()
    except TrialsStillRunning:
        engine.raise_reason()
    finally:
        write_best(ledger.study)
        engine.callback.end(ledger.study)


def with_tune_options(raw: RawEntry, options: dict[str, Any]) -> RawEntry:
    """Override the tuner's options of an entry by those from the command line."""
    overrides = {key: value for key, value in options.items() if value is not None}
    where: Locations = {("tune", key): "command line" for key in overrides}
    return overlay(raw, RawEntry(raw.name, {"tune": overrides}, where, raw.layer))


def tune(
    name: str,
    *overrides: str,
    data: Data | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    objective: str | None = None,
    bound: float | None = None,
    max_params: int | None = None,
    max_flops: int | None = None,
    max_latency: float | None = None,
    fresh: bool = False,
    study: str | None = None,
    from_study: str | Path | None = None,
    confirm: bool = False,
    address: str | None = None,
    storage: str | Path | None = None,
    parallel: int | None = None,
    device: str = "auto",
    registries: Paths = (),
    callback: TuneCallback | None = None,
    callbacks: GivenCallbacks = (),
) -> Study:
    """Search the options of an entry, or resume an unfinished study of it.

    The first trial is the entry, so that the best one is never worse than that; only its values outside the search
    space are moved into it. Options that `overrides` set are not searched. The run folders of the trials are below
    `storage`/STUDY.

    Args:
        name: Name of the entry.
        *overrides: `key=value` texts, as on the command line; those that start with `tune.` configure the search.
        data: A data kind, a folder with one subfolder per class, Parquet files, or arrays `(x, y)` as `zoo.train` takes
            them; by default the entry's own data.
        trials: The number of trials of the study, including those of earlier calls.
        seconds: The time after which the search stops; None for no limit.
        objective: What to optimise: a metric of the validation split, efficiency, fewest-parameters or pareto.
        bound: The largest acceptable validation loss, for fewest-parameters.
        max_params: The largest number of trainable parameters; larger candidates are refused.
        max_flops: The largest number of floating-point operations of a forward pass for one picture.
        max_latency: The largest time in milliseconds of a forward pass for one picture, measured before the training.
        fresh: Whether to start a new study even if there is one with the same options.
        study: Name of the study; by default NAME-study.
        from_study: An older study, by name or folder, whose best three trials the new study begins with, after the
            entry itself.
        confirm: Whether to train the best two trials and the entry with two more seeds each at the end.
        address: Address of a Ray cluster; None for this machine.
        storage: The folder of studies; by default `runs`.
        parallel: The largest number of trials that run at the same time; None for as many as the machine can run.
        device: "cpu", "cuda", "mps", or "auto" for the fastest; Ray assigns the GPUs to trials.
        registries: Registry files to read in addition.
        callback: Called for every trial; by default a table in a notebook, and nothing elsewhere.
        callbacks: Callback kinds with their options, or objects, as `zoo.train` takes them; they are told of each
            trial, in this process.

    Returns:
        The study with its trials and the best of them.

    Raises:
        ZooError: If the entry or an option is unknown, or there is a study with other options.
        JobError: If no trial finishes.
        LockedError: If another process works on the same study.

    Example:
        >>> import zoo
        >>> study = zoo.tune("cnn", "train.epochs=3", trials=5)  # doctest: +SKIP
        >>> study.best.config  # doctest: +SKIP
        {'model.width': 48, 'train.lr': 0.003}
    """
    from zoo.tuning.notebook import TuneNotebookCallback

    # Created before the imports below, whose warnings it silences.
    callback = callback or (TuneNotebookCallback(seconds) if in_notebook() else TuneCallback())
    from zoo.tuning.cluster import ClusterOptions

    words = pin_start(with_data(data, overrides))
    raw = load_registry(registries)[0].resolve(name, words)
    options: dict[str, Any] = {"trials": trials, "objective": objective, "bound": bound, "max_params": max_params}
    options |= {"max_flops": max_flops, "max_latency": max_latency}
    for key, value in options.items():
        with_option(f"--{key.replace('_', '-')}", value, f"tune.{key}", words)
    if "train.save_seconds" in (typed := typed_options(words)):
        raise ZooError("train.save_seconds has no effect on a study", "its trials are saved every few seconds")
    older = None if from_study is None else str(from_study)
    arguments: dict[str, Any] = options | {"seconds": seconds, "study": study, "from_study": older, "address": address}
    arguments |= {"confirm": True} if confirm else {}
    arguments |= {"storage": storage, "parallel": parallel, "device": device}
    arguments |= {"callbacks": named_callbacks(callbacks)}
    command = resume_command("tune", name, words, arguments, registries)
    cluster = ClusterOptions.choose(address, parallel, device)
    request = TuneRequest(
        options, seconds, fresh, study, confirm, older, Path(storage or ROOT), cluster, command, typed
    )
    with open_events(callbacks, callback.note) as events:
        follower = TrialSender(callback, events) if events.callbacks else callback
        return run_study(raw, overridden_options(words), request, follower)
