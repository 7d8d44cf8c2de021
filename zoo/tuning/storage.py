"""The study on disk: Optuna's SQLite file, which only the driver writes, and its trials."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from zoo.core.errors import ResourceError, RunError
from zoo.core.sections import TuneSpec
from zoo.core.trust import refuse_link
from zoo.tuning.objective import directions
from zoo.tuning.trial_rows import FILE, TrialRow

NAME = "study"
PATIENCE = 60
"""Seconds to wait for a reader that locks the file, such as optuna-dashboard."""
FOREIGN_ERRORS = (LookupError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError, OverflowError)
DAMAGE_ERRORS = (SQLAlchemyError, sqlite3.Error, OptunaError, *FOREIGN_ERRORS)
ADVICE = "start a new study with --fresh; finished trials keep their run folders"


def connect(folder: Path, spec: TuneSpec) -> optuna.Study:
    """Open the Optuna study of a folder, or create it.

    Raises RunError if the file is damaged.
    """
    refuse_link(folder / FILE)
    refuse_link(folder / "trials")
    if is_empty(folder):
        check_new(folder)
    with read_errors(folder):
        check_integrity(folder)
        found = optuna.create_study(
            storage=storage(folder), study_name=NAME, directions=list(directions(spec)), load_if_exists=True
        )
        found.get_trials(deepcopy=False)
        return found


def load(folder: Path) -> optuna.Study:
    """Open the Optuna study of a folder.

    Raises RunError if there is none or it is damaged.
    """
    if is_empty(folder):
        raise RunError(f"{folder} is not a study: its {FILE} is missing or empty")
    with read_errors(folder):
        check_integrity(folder)
        check_tables(folder)
        found = optuna.load_study(storage=storage(folder), study_name=NAME)
        found.get_trials(deepcopy=False)
        return found


def is_empty(folder: Path) -> bool:
    """Whether the study's file is missing or empty.

    Raises RunError if something else is in its place.
    """
    path = folder / FILE
    if path.exists() and not path.is_file():
        raise RunError(f"{path} is not a regular file", ADVICE)
    return not path.is_file() or not path.stat().st_size


def check_new(folder: Path) -> None:
    """Raise RunError if a study without a file already has runs."""
    if any(folder.glob("trials/*/run.json")):
        raise RunError(f"{folder / FILE} is missing or empty, although there are runs of its trials", ADVICE)


def check_integrity(folder: Path) -> None:
    """Check the whole file, since SQLite otherwise detects damage only when it reads the damaged part."""
    with closing(sqlite3.connect(folder / FILE, timeout=PATIENCE)) as file:
        found = file.execute("PRAGMA quick_check").fetchone()
    if found != ("ok",):
        raise sqlite3.DatabaseError(found)


def check_tables(folder: Path) -> None:
    """Check that a file to be read is a study's, since Optuna would create its tables in any other."""
    with closing(sqlite3.connect((folder / FILE).resolve().as_uri() + "?mode=ro", uri=True, timeout=PATIENCE)) as file:
        if not file.execute("SELECT study_id FROM studies WHERE study_name = ?", (NAME,)).fetchall():
            raise sqlite3.DatabaseError("it holds no study")


def storage(folder: Path) -> RDBStorage:
    """Return Optuna's storage for the study's SQLite file, with special characters of the path escaped."""
    path = (folder / FILE).resolve().as_posix()
    for sign in "%?#":  # first the percent sign, which the others bring
        path = path.replace(sign, f"%{ord(sign):02X}")
    return RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": PATIENCE}})


@contextmanager
def read_errors(folder: Path) -> Iterator[None]:
    """Silence Optuna within the block, and raise RunError for a damaged file."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    except DAMAGE_ERRORS as error:
        raise RunError(f"{folder / FILE} is damaged: {type(error).__name__}", ADVICE) from error


@contextmanager
def write_errors(folder: Path) -> Iterator[None]:
    """Raise ResourceError within the block if the file cannot be written, e.g. on a full disk."""
    try:
        yield
    except (SQLAlchemyError, OptunaError) as error:
        cause = getattr(error.__cause__, "orig", None) or error.__cause__ or error
        raise ResourceError(
            f"cannot write {folder / FILE}: {cause}", "free some space and repeat the command"
        ) from error


def close(study: optuna.Study) -> None:
    """Close the file, which Windows does not delete while it is open."""
    study._storage.remove_session()
    backend = getattr(study._storage, "_backend", study._storage)
    if isinstance(backend, RDBStorage):
        backend.engine.dispose()


def frozen_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return all trials as Optuna stores them; do not modify them."""
    return study.get_trials(deepcopy=False)


def to_row(trial: FrozenTrial) -> TrialRow:
    """Convert a trial of Optuna to the form in which trials are read from the file."""
    values = list(trial.values or ())
    return TrialRow(trial.number, trial.state.name, values, trial.user_attrs, trial.intermediate_values)
