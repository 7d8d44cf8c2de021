"""The options of an entry that can be searched, by section and kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zoo.core.deprecation import former_names
from zoo.core.nested import flatten
from zoo.core.sections import StageSpec, TrainSpec
from zoo.core.spec import Mark, nested_spec, options, search_space
from zoo.registry.catalog import catalog
from zoo.registry.entry import Component, Entry
from zoo.registry.kinds import Kind
from zoo.registry.raw_entry import is_fixed
from zoo.registry.search.augments import LIST, spec_of_label

KIND_SECTIONS = ("model", "prior", "text")
"""Sections with a kind whose options are searched; `train` is searched too, `data` and `tune` are not."""


@dataclass(frozen=True)
class Branch:
    """The options of a section and kind: a branch of a conditional search space."""

    section: str
    spec: type[BaseModel]
    kind: str = ""
    """The kind, if the section's kind is searched; empty otherwise."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Command-line overrides that also apply to this kind, if it is not the entry's own kind."""

    def name(self, path: str) -> str:
        """Return the name of an option in the study, including a searched kind."""
        return f"{self.section}[{self.kind}]{path.removeprefix(self.section)}" if self.kind else path

    def field(self, path: str) -> FieldInfo | None:
        """Return the option at a dotted path, or None if there is none."""
        section, *parts = path.split(".")
        if section != self.section or not parts:
            return None
        if section == "train" and parts[0] == "stages" and len(parts) == 3:
            return StageSpec.model_fields.get(parts[2])
        if section == "train" and path.startswith(f"{LIST}.") and len(parts) > 3:
            spec = spec_of_label(parts[2])
            return find_field(spec, parts[3:]) if spec else None
        return find_field(self.spec, parts)

    def current_name(self, path: str) -> str:
        """Replace a former option name in a path by the current one, with a warning."""
        section, _, name = path.partition(".")
        old = former_names(self.spec.model_fields) if section == self.section else {}
        if name not in old:
            return path
        now, mark = old[name]
        mark.warn(self.spec, now)
        return f"{section}.{now}"

    def is_group(self, path: str) -> bool:
        """Return whether a path is a group of options, not an option."""
        section, *parts = path.split(".")
        if section != self.section:
            return False
        if section == "train" and parts[:1] == ["stages"]:
            return len(parts) < 3
        if section == "train" and f"{path}.".startswith(f"{LIST}."):
            return len(parts) < 4
        return not parts or any(name.startswith(f"{path}.") for name in self.names())

    def names(self) -> Iterator[str]:
        """Yield the dotted name of every option."""
        return (f"{self.section}.{option.name}" for option in options(self.spec))

    def declared_ranges(self) -> dict[str, Mark]:
        """Return the search ranges that the spec itself declares, by dotted name."""
        return {f"{self.section}.{name}": mark for name, mark in search_space(self.spec).items()}


def find_field(spec: type[BaseModel], parts: list[str]) -> FieldInfo | None:
    """Return the option at a path in a spec or its nested specs, or None."""
    *outer, last = parts
    for part in outer:
        nested = nested_spec(spec.model_fields.get(part))
        if nested is None:
            return None
        spec = nested
    found = spec.model_fields.get(last)
    return None if nested_spec(found) else found


def kind_sections(entry: Entry) -> dict[str, Component[Kind]]:
    """Return the searchable sections of an entry that have a kind."""
    return {section: component for section, component in entry.components.items() if section in KIND_SECTIONS}


def make_branches(entry: Entry, kinds: Mapping[str, tuple[str, ...]], fixed: Collection[str]) -> list[Branch]:
    """Make a branch for each section, or one per kind if that is searched."""
    found = []
    for section, component in kind_sections(entry).items():
        for kind in kinds.get(section, ()):
            spec = catalog().find(section, kind)[1].spec
            branch = Branch(section, spec, kind)
            kept = {} if kind == component.name else shared_overrides(branch, flatten(component.dump(), section), fixed)
            found.append(Branch(section, spec, kind, kept))
        if section not in kinds:
            found.append(Branch(section, component.kind.spec))
    return [*found, Branch("train", TrainSpec)]


def shared_overrides(branch: Branch, own: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """Return the entry's command-line options that the branch also has."""
    return {path: value for path, value in own.items() if is_fixed(path, fixed) and branch.field(path)}


def default_values(entry: Entry, found: list[Branch]) -> dict[str, Any]:
    """Return the values of options that are not sampled.

    These are the entry's own values by path, and the defaults of other kinds by their name in the study.
    """
    sections: dict[str, Any] = {name: component.dump() for name, component in kind_sections(entry).items()}
    sections["train"] = entry.train.model_dump(mode="json")
    values = {path: value for name, part in sections.items() for path, value in flatten(part, name).items()}
    for branch in found:
        if branch.kind and branch.kind != values[f"{branch.section}.kind"]:
            defaults = branch.spec.model_construct().model_dump(mode="json", warnings=False)
            flat = flatten(defaults, branch.section) | dict(branch.overrides)
            values |= {branch.name(path): value for path, value in flat.items()}
    return values
