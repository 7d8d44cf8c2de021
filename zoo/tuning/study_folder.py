"""The folder of a study: how it is chosen, and the plan, budget and best run recorded in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zoo.core.errors import RunError, ZooDeprecationWarning, ZooError, describe_error
from zoo.core.files import digest, remove, write_json
from zoo.core.notes import note
from zoo.core.sections import CHANGEABLE_OPTIONS, TuneSpec
from zoo.core.trust import load_json
from zoo.core.version import __version__
from zoo.registry.entry import restore_entry
from zoo.runs.choose_folder import choose_resumable
from zoo.runs.names import BEST_FILE, ROOT, STUDY_FILE
from zoo.runs.run import differences, read_record, utc_now
from zoo.tuning.study import Studies, Study, Trial, moved_options, ranking
from zoo.tuning.trial_rows import FILE as DATABASE
from zoo.tuning.trial_rows import TrialRow, UnknownSchemaError, check_trial, read_rows, to_trial

SCHEMA = 1
BUDGET = "budget.json"
CONFIRM = "confirm"
"""Folder within that of the study: trainings with more seeds, as a study of their own."""
MAX_NEXT = 20
"""Number of runs that are recorded after the best one."""
BAD_VALUES = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""Errors that damaged values raise."""
NEW_STUDY_HINT = "start a new study with --fresh; finished trials keep their run folders"


@dataclass(frozen=True)
class StudyPlan:
    """What the trials of a study have in common; a different plan is a different study."""

    entry: dict[str, Any]
    tune: dict[str, Any]
    space: dict[str, str]
    older: str | None = None
    """The folder of the older study that it begins with; None: none, or whichever an existing study began with."""
    starts: tuple[dict[str, Any], ...] = ()
    """The trials that it begins with: `origin` and `config` of each, and `moved` where options had to change."""

    @classmethod
    def of(cls, entry: dict[str, Any], spec: TuneSpec, space: dict[str, str], older: str | None = None) -> StudyPlan:
        """Make a plan, with the tuner's options that affect what trials mean."""
        kept = {key: value for key, value in entry.items() if key != "summary"}
        return cls(kept, spec.model_dump(mode="json", exclude={*CHANGEABLE_OPTIONS, "space"}), space, older)

    def changes(self, other: StudyPlan) -> list[str]:
        """List the differences from another plan, e.g. `train.epochs: 24 -> 12`."""
        searched = set(self.space) | set(other.space)
        auto = {"startup": self.tune.get("startup")} if other.tune.get("startup") == "auto" else {}
        lines = [*differences(self.entry, other.entry), *differences(self.tune, other.tune | auto, "tune")]
        if other.older and not same_place(self.older, other.older):
            lines.append(f"--from: {self.older or 'nothing'} -> {other.older}")
        for path in sorted(searched):
            old, new = (plan.space.get(path, "not searched") for plan in (self, other))
            lines += [f"{path}: {old} -> {new}"] if old != new else []
        return lines


def same_place(recorded: str | None, given: str) -> bool:
    """Whether the recorded older study is the given one, which may have been moved or removed since."""
    if recorded is None or recorded == given:
        return recorded == given
    one, other = Path(recorded), Path(given)
    return one.name == other.name and not (is_study(one) and is_study(other))


def choose_study(plan: StudyPlan, root: Path, name: str | None, fresh: bool) -> Path:
    """Choose the study to resume, or a folder for a new one."""
    base = name or f"{plan.entry['name']}-study"
    return choose_resumable("study", base, STUDY_FILE, lambda path: changes_in(path, plan), bool(name), fresh, root)


def changes_in(path: Path, plan: StudyPlan) -> list[str]:
    """List how a plan differs from that of an existing study."""
    return fill_defaults(read_plan(path)).changes(plan)


def fill_defaults(plan: StudyPlan) -> StudyPlan:
    """Add options that are newer than the plan, with their defaults, and call the others by their current names."""
    try:
        entry, tune = restore_entry(plan.entry), restore_tune(plan.tune)
    except (ZooError, ValidationError):  # a plugin is missing, or an option was dropped
        return plan
    return replace(StudyPlan.of(entry.dump(), tune, plan.space, plan.older), starts=plan.starts)


def restore_tune(recorded: dict[str, Any]) -> TuneSpec:
    """Make the tuner's options from those that a study recorded, perhaps under former names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooDeprecationWarning)  # nobody typed them
        return TuneSpec.model_validate(recorded)


def is_study(folder: Path) -> bool:
    """Whether a folder contains a study."""
    return (folder / STUDY_FILE).is_file()


def write_plan(folder: Path, plan: StudyPlan, command: str) -> None:
    """Record the plan of a new study."""
    about = {"schema": SCHEMA, "zoo": __version__, "begun": utc_now(), "command": command}
    about |= {"entry": plan.entry, "tune": plan.tune, "space": plan.space, "starts": list(plan.starts)}
    about |= {"from": plan.older} if plan.older else {}
    write_json(folder / STUDY_FILE, about | {"seal": digest(about)})


def discard_study(folder: Path) -> None:
    """Remove the records of a new study in which no trial started."""
    for name in (STUDY_FILE, BUDGET, DATABASE):
        remove(folder / name)
    shutil.rmtree(folder / "trials", ignore_errors=True)


def read_about(folder: Path) -> dict[str, Any]:
    """Read study.json; RunError if it is damaged or was written by a newer zoo."""
    about = read_record(folder / STUDY_FILE, SCHEMA)
    if about.pop("seal", None) != digest(about):
        raise RunError(f"{folder / STUDY_FILE} is damaged: it is not as the zoo wrote it", NEW_STUDY_HINT)
    return about


def read_plan(folder: Path) -> StudyPlan:
    """Read the plan with which a study was started."""
    about = read_about(folder)
    entry: Any = about.get("entry")
    tune: Any = about.get("tune")
    space: Any = about.get("space")
    starts: Any = about.get("starts", [])
    older: Any = about.get("from")
    try:
        fine = all(isinstance(text, str) for text in (entry["name"], entry["data"]["kind"], *space, *space.values()))
        fine &= all(isinstance(each["origin"], str) and isinstance(each["config"], dict) for each in starts)
        fine &= all(isinstance(text, str) for each in starts for text in each.get("moved", []))
        fine &= isinstance(older, str | None)
    except (LookupError, TypeError, AttributeError):
        fine = False
    if not fine or not isinstance(tune, dict):
        raise RunError(f"{folder / STUDY_FILE} is damaged: it holds no plan of a study", NEW_STUDY_HINT)
    return StudyPlan(entry, tune, space, older, tuple(starts))


def open_study(folder: Path) -> Study:
    """Read a study from its folder; RunError if it is damaged."""
    try:
        plan = read_plan(folder)
        spec = restore_tune(plan.tune | {"trials": read_budget(folder)})
        trials = [to_trial(folder, spec, row) for row in load_rows(folder)]
        confirmed = read_confirmed(folder, spec)
        for trial in trials:
            check_trial(trial)
        if len({trial.number for trial in trials}) < len(trials):
            raise ValueError("two trials have the same number")
    except BAD_VALUES as error:
        raise RunError(f"{folder} is damaged: {describe_error(error):.160}", NEW_STUDY_HINT) from None
    return Study(folder, plan.entry, spec, plan.space, trials, confirmed, moved_options(plan.starts))


def read_confirmed(folder: Path, spec: TuneSpec) -> list[Trial]:
    """Read the trainings with more seeds that confirm trials of a study; none, with a note, if they cannot be read."""
    part = folder / CONFIRM
    if not part.is_dir():
        return []
    try:
        found = [to_trial(part, spec, row) for row in load_rows(part)]
        for trial in found:
            check_trial(trial)
    except (ZooError, sqlite3.Error, OSError, *BAD_VALUES):
        what = "missing" if not (part / DATABASE).is_file() else "empty or damaged"
        advice = f"repeat zoo tune with --confirm, or delete {part} first if that fails"
        note(f"{part / DATABASE} is {what}, so that no trial counts as trained with more seeds: {advice}")
        return []
    else:
        return found


def load_rows(folder: Path) -> list[TrialRow]:
    """Read the trials of a study; RunError if its file is missing or damaged."""
    if not (folder / DATABASE).is_file():
        raise RunError(f"{folder} is not a study: its {DATABASE} is missing or not a regular file", NEW_STUDY_HINT)
    try:
        return read_rows(folder)
    except (sqlite3.Error, UnknownSchemaError, ValueError, TypeError, OSError, RecursionError):
        # Optuna recovers, upgrades or says what is wrong.
        from zoo.tuning import storage

        return [storage.to_row(each) for each in storage.frozen_trials(storage.load(folder))]


def read_budget(folder: Path) -> int:
    """Read the number of trials that was requested last; the usual number, with a note, if the file is damaged."""
    usual = int(TuneSpec().trials)
    try:
        return int(TuneSpec(trials=load_json(folder / BUDGET)["trials"]).trials)
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        if os.path.lexists(folder / BUDGET):
            note(f"{folder / BUDGET} is damaged: the number of trials asked for is taken as {usual}")
        return usual


def write_budget(folder: Path, spec: TuneSpec) -> None:
    """Record the requested number of trials."""
    write_json(folder / BUDGET, {"trials": spec.trials})


def write_best(study: Study) -> None:
    """Record the best run, to which the study's name then refers, and the next ones in case that it is removed."""
    if best := study.best:
        ranked = ranking(study.spec, study.done, 1 + MAX_NEXT)
        runs = [trial.run.relative_to(study.path).as_posix() for trial in (best, *ranked)]
        first, *rest = dict.fromkeys(runs)
        write_json(study.path / BEST_FILE, {"run": first, "next": rest[:MAX_NEXT]})


def read_studies(root: Path = ROOT) -> Studies:
    """Read every study below a folder, sorted by name."""
    found, problems = list[Study](), list[str]()
    for folder in study_folders(root):
        try:
            found.append(open_study(folder))
        except ZooError as error:
            problems.append(str(error))
        except Exception as error:  # whatever is wrong with one study, the others are listed
            problems.append(f"{folder} cannot be read: {describe_error(error)}")
    return Studies(found, problems)


def study_folders(root: Path) -> Iterable[Path]:
    """List the folders of studies, sorted by name."""
    return sorted(file.parent for file in root.glob(f"*/{STUDY_FILE}"))


def studies(storage: str | Path | None = None) -> Studies:
    """List every study below a folder.

    Args:
        storage: The folder; by default `runs`.

    Returns:
        The studies, and an error message for each one that cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import zoo
        >>> with TemporaryDirectory() as folder:
        ...     zoo.studies(folder).found
        []
    """
    return read_studies(Path(storage or ROOT))
