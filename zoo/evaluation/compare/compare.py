"""`zoo.compare`: variants of an entry trained alike, one after the other and seed by seed, and evaluated alike."""

from __future__ import annotations

from zoo.core.errors import InterruptedRun, ZooError, did_you_mean
from zoo.core.files import digest
from zoo.display.html import in_notebook
from zoo.evaluation.compare.axes import Axes, Values, title
from zoo.evaluation.compare.callbacks import CompareCallback
from zoo.evaluation.compare.folder import Plan, Record, choose_comparison, is_comparison, refuse
from zoo.evaluation.compare.notebook import CompareNotebookCallback
from zoo.evaluation.compare.result import Comparison
from zoo.evaluation.compare.runner import Comparing, Job
from zoo.registry.catalog import catalog
from zoo.registry.entry import resolve_entry
from zoo.registry.layers import Registry
from zoo.registry.listing import Paths, load_registry
from zoo.runs.find import resume_command
from zoo.runs.inputs import SPLITS
from zoo.runs.lock import lock_folder


def compare(
    name: str,
    *overrides: str,
    seeds: int = 1,
    minutes: float | None = None,
    split: str = "test",
    device: str = "auto",
    fresh: bool = False,
    comparison: str | None = None,
    registries: Paths = (),
    callback: CompareCallback | None = None,
) -> Comparison:
    """Train variants of an entry alike and evaluate them, or go on with that.

    An override with several values, as `model.norm=before,after`, varies; several of them give every combination. All
    variants are trained with the first seed before any is trained with the second. Run folders are below
    `runs/NAME-compare`, or below `runs/COMPARISON`. A run that diverges is listed.

    Args:
        name: Name of the entry.
        *overrides: `key=value` and `key=value,value` texts.
        seeds: The number of seeds for each variant, from `train.seed` on.
        minutes: Training time of each run; None for the entry's own number of epochs.
        split: The split to evaluate: "train", "valid" or "test".
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        fresh: Whether to start a new comparison though there is one with the same options.
        comparison: Name of the comparison.
        registries: Registry files to read in addition.
        callback: Is told of every run; by default a table in a notebook, and nothing elsewhere.

    Returns:
        The metrics of each variant, their means and deviations over the seeds.

    Raises:
        ZooError: If the entry or an option is unknown, or two variants are the same.
        JobError: If no run finishes.
        LockedError: If another process works on the same comparison.

    Example:
        >>> import zoo
        >>> zoo.compare("cnn", "model.norm=before,after", seeds=3)  # doctest: +SKIP
    """
    if seeds < 1:
        raise ZooError(f"cannot compare over {seeds} seeds", "take at least one")
    if split not in SPLITS:
        raise ZooError(f"no split {split!r}", did_you_mean(split, SPLITS))
    axes = Axes.of(name, [*overrides, *([] if minutes is None else [f"train.minutes={minutes}"])])
    found, _ = load_registry(registries)
    jobs = planned(axes, seeds, found)
    base = found.resolve(name, axes.fixed).data
    plan = Plan(name, split, sorted(axes.varying), {key: base[key] for key in base if key not in ("summary", "tune")})
    given = {"seeds": seeds, "minutes": minutes, "split": split, "device": device, "comparison": comparison}
    command = resume_command("compare", name, overrides, given, registries)
    path = choose_comparison(plan, comparison, fresh)
    with lock_folder(path, "wait for it, or name another comparison with --name"):
        record = Record.open(path) if is_comparison(path) else Record.begin(path, plan, command)
        refuse(record, plan)  # another process may have begun it between the look and the lock
        callback = callback or (CompareNotebookCallback() if in_notebook() else CompareCallback())
        work = Comparing(axes, jobs, record, device, registries, callback)
        try:
            return work.run()
        except (InterruptedRun, KeyboardInterrupt) as stop:
            code = stop.code if isinstance(stop, InterruptedRun) else InterruptedRun.code
            raise InterruptedRun(f"interrupted; what was done is kept. Go on with: {command}", code) from None


def planned(axes: Axes, seeds: int, found: Registry) -> list[Job]:
    """Every training, each validated, all variants with the first seed first; ZooError where two are the same."""
    known: dict[str, Values] = {}
    for values in axes.variants:
        chosen = resolve_entry(catalog(), found.resolve(axes.entry, axes.overrides(values)))
        other = known.setdefault(digest(chosen.dump()), values)
        if other is not values:
            text = f"{title(other)} and {title(values)} are the same to {axes.entry}"
            raise ZooError(text, "leave one of them out")
    first = chosen.train.seed
    pairs = [(values, seed) for seed in range(first, first + seeds) for values in axes.variants]
    return [planned_job(axes, values, seed, found) for values, seed in pairs]


def planned_job(axes: Axes, values: Values, seed: int, found: Registry) -> Job:
    """One training."""
    words = [*axes.overrides(values), f"train.seed={seed}"]
    return Job(values, seed, words, resolve_entry(catalog(), found.resolve(axes.entry, words)))
