"""The trials that a study begins with: the entry as it stands, and the best of an older study."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.nested import flatten
from zoo.core.spec import yaml_scalar
from zoo.registry.entry import Entry, restore_entry
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.sections import KIND_SECTIONS, kind_sections
from zoo.registry.search.space import MISSING, Space
from zoo.tuning.study import ENTRY, Study, ranking, short_path, trial_label
from zoo.tuning.study_folder import is_study, open_study, study_folders

MOST = 3
"""Number of trials of an older study with which a new one begins."""
Wanted = Callable[[Dimension, Mapping[str, Any]], Any]
"""Returns the value of a dimension that is wanted, given the values of those before it."""


@dataclass(frozen=True)
class Start:
    """A trial that a study begins with, before it samples any."""

    origin: str
    """`ENTRY`, or the trial of an older study."""
    config: dict[str, Any]
    """Values by dotted option, within the search space."""
    moved: tuple[str, ...] = ()
    """Options that lay outside the search space, with the value before and after."""
    left: tuple[str, ...] = ()
    """Options of the older trial that are not searched here, with the value that was not taken."""

    def record(self) -> dict[str, Any]:
        """Return what the study's plan keeps."""
        return {"origin": self.origin, "config": self.config} | ({"moved": list(self.moved)} if self.moved else {})

    def describe(self, number: int) -> str:
        """Say in one line which trial this is, and what had to change."""
        what = "the entry" if self.origin == ENTRY else self.origin
        stands = " as it stands" if self.origin == ENTRY else ""
        what += f", moved into the search space: {', '.join(self.moved)}" if self.moved else stands
        left = f"; not searched here, so not taken: {', '.join(self.left)}" if self.left else ""
        return f"t{number:05d} is {what}{left}"


def choose_starts(space: Space, entry: Entry, older: Study | None) -> list[Start]:
    """Return the trials that a new study begins with: the entry, then the best of an older study, each one once."""
    found = [start_with_entry(space)]
    for start in start_with_study(space, entry, older) if older else ():
        if all(start.config != other.config for other in found):
            found.append(start)
    return found


def start_with_entry(space: Space) -> Start:
    """Return the entry's own values, moved into the search space where they lie outside."""
    return Start(ENTRY, *project(space, lambda dimension, chosen: space.value(dimension.path, chosen)))


def start_with_study(space: Space, entry: Entry, older: Study) -> Iterable[Start]:
    """Yield the best trials of an older study, moved into the search space where they lie outside.

    Raises ZooError if it has none, or tuned another kind of model.
    """
    best = ranking(older.spec, older.done, MOST)
    if not best:
        raise ZooError(f"{short_path(older.path)} has no finished trial to begin with", "choose another study")
    before = restore_entry(older.entry)
    for trial in best:
        source = Space.apply(before, trial.config)
        check_kind(space, entry, source, older)
        config, moved = project(space, partial(value_in, space, entry_values(source)))
        left = [
            f"{path}={yaml_scalar(value)}"
            for path, value in trial.config.items()
            if path not in config and space.value(path, config) not in (value, MISSING)
        ]
        yield Start(f"{trial_label(trial)} of {short_path(older.path)}", config, moved, tuple(left))


def check_kind(space: Space, entry: Entry, source: Entry, older: Study) -> None:
    """Raise ZooError if an older study tuned a kind of model that is not in the search space."""
    searched = [dimension.bounds() for dimension in space.dimensions if dimension.path == "model.kind"]
    kinds: Collection[Any] = searched[0] if searched else (entry.model.name,)
    if source.model.name not in kinds:
        what = f"{short_path(older.path)} tuned the model kind {source.model.name}, not {' or '.join(kinds)}"
        raise ZooError(what, "choose a study of the same kind")


def entry_values(entry: Entry) -> dict[str, Any]:
    """Return the options of an entry that may be searched, by dotted name."""
    sections: dict[str, Any] = {name: component.dump() for name, component in kind_sections(entry).items()}
    sections["train"] = entry.train.model_dump(mode="json")
    return {path: value for name, part in sections.items() for path, value in flatten(part, name).items()}


def value_in(space: Space, values: Mapping[str, Any], dimension: Dimension, chosen: Mapping[str, Any]) -> Any:
    """Return the value of a dimension among those of an older trial, or else the entry's own.

    Options of another kind of a section are not taken, though they may have the same name.
    """
    path, section = dimension.path, dimension.path.partition(".")[0]
    kind = f"{section}.kind"
    own = space.value(path, chosen)
    if section in KIND_SECTIONS and path != kind and values.get(kind) != space.value(kind, chosen):
        return own
    inherited = values.get(f"train.{path.rpartition('.')[2]}", own) if path.startswith("train.stages.") else own
    return values.get(path, inherited)


def project(space: Space, wanted: Wanted) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the values nearest to those that are wanted, and which of them lay outside the search space."""
    chosen: dict[str, Any] = {}
    moved: list[str] = []

    def choose(dimension: Dimension) -> Any:
        value = wanted(dimension, chosen)
        found = chosen[dimension.path] = dimension.nearest(value)
        if value != found or isinstance(value, bool) != isinstance(found, bool):
            before = "nothing" if value is MISSING else yaml_scalar(value)
            moved.append(f"{dimension.path} {before} -> {yaml_scalar(found)}")
        return found

    return space.assign(choose), tuple(moved)


def study_place(text: str, root: Path) -> Path:
    """Return the folder of a study given by path or by name, where it would be if there is none."""
    return (Path(text) if is_study(Path(text)) else root / text).resolve()


def find_study(text: str, root: Path) -> Study:
    """Open a study by path or by name; ZooError if there is none."""
    for path in (Path(text), root / text):
        if is_study(path):
            return open_study(path)
    names = [path.name for path in study_folders(root)]
    raise ZooError(f"no study {text[:80]!r} in {root.absolute()}", did_you_mean(text, names))
