"""Branches: the options of an entry that may be searched, section by section and kind by kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zoo.core.deprecation import former_names
from zoo.core.sections import StageSpec, TrainSpec
from zoo.core.spec import Mark, nested_spec, options, search_space
from zoo.registry.catalog import Catalog
from zoo.registry.entry import Component, Entry

KIND_SECTIONS = ("model", "prior", "text")
"""Sections that are a kind with its options; `train` stands beside them, `data` and `tune` are not searched."""


@dataclass(frozen=True)
class Branch:
    """The options of one section, as one of its kinds has them."""

    section: str
    spec: type[BaseModel]
    kind: str = ""
    """The kind, where the section's kind is searched."""
    carried: Mapping[str, Any] = field(default_factory=dict)
    """Options of the command line that this kind has too, where it is not the entry's own kind."""

    def name(self, path: str) -> str:
        """What the study calls an option: two kinds may have options of the same name."""
        return f"{self.section}[{self.kind}]{path.removeprefix(self.section)}" if self.kind else path

    def field(self, path: str) -> FieldInfo | None:
        """The option at a dotted path; None where this branch has none."""
        section, *parts = path.split(".")
        if section != self.section or not parts:
            return None
        if section == "train" and parts[0] == "stages" and len(parts) == 3:
            return StageSpec.model_fields.get(parts[2])
        return find_field(self.spec, parts)

    def today(self, path: str) -> str:
        """A path with the name that its option has today, where the path has a former one."""
        section, _, name = path.partition(".")
        old = former_names(self.spec.model_fields) if section == self.section else {}
        if name not in old:
            return path
        now, mark = old[name]
        mark.warn(self.spec, now)
        return f"{section}.{now}"

    def inner(self, path: str) -> bool:
        """Whether a path is no option but holds some."""
        section, *parts = path.split(".")
        if section != self.section:
            return False
        if section == "train" and parts[:1] == ["stages"]:
            return len(parts) < 3
        return not parts or any(name.startswith(f"{path}.") for name in self.names())

    def names(self) -> Iterator[str]:
        """Every option by dotted name."""
        return (f"{self.section}.{option.name}" for option in options(self.spec))

    def marks(self) -> dict[str, Mark]:
        """What the spec itself says of where to look."""
        return {f"{self.section}.{name}": mark for name, mark in search_space(self.spec).items()}


def find_field(spec: type[BaseModel], parts: list[str]) -> FieldInfo | None:
    """The option of a spec, or of a spec inside it."""
    *outer, last = parts
    for part in outer:
        nested = nested_spec(spec.model_fields.get(part))
        if nested is None:
            return None
        spec = nested
    found = spec.model_fields.get(last)
    return None if nested_spec(found) else found


def kind_sections(entry: Entry) -> dict[str, Component]:
    """The sections of an entry that are a kind with its options."""
    sections = {section: getattr(entry, section, None) for section in KIND_SECTIONS}
    return {section: chosen for section, chosen in sections.items() if chosen is not None}


def make_branches(
    catalog: Catalog, entry: Entry, kinds: Mapping[str, tuple[str, ...]], fixed: Collection[str]
) -> list[Branch]:
    """A branch for each section, and for each kind of a section whose kind is searched."""
    found = []
    for section, chosen in kind_sections(entry).items():
        for kind in kinds.get(section, ()):
            spec = catalog.find(section, kind)[1].spec
            branch = Branch(section, spec, kind)
            kept = (
                {} if kind == chosen.name else shared_overrides(branch, flatten_values(chosen.dump(), section), fixed)
            )
            found.append(Branch(section, spec, kind, kept))
        if section not in kinds:
            found.append(Branch(section, chosen.kind.spec))
    return [*found, Branch("train", TrainSpec)]


def shared_overrides(branch: Branch, own: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """Those of the entry's own options that the command line set and that the branch has too."""
    return {path: value for path, value in own.items() if is_fixed(path, fixed) and branch.field(path)}


def is_fixed(path: str, fixed: Collection[str]) -> bool:
    """Whether the command line set an option, or a mapping that holds it."""
    return any(path == one or path.startswith(f"{one}.") for one in fixed)


def flatten_values(values: Any, path: str) -> dict[str, Any]:
    """The values of nested mappings by dotted path."""
    if not isinstance(values, dict):
        return {path: values}
    return {
        name: leaf for key, value in values.items() for name, leaf in flatten_values(value, f"{path}.{key}").items()
    }


def default_values(entry: Entry, found: list[Branch]) -> dict[str, Any]:
    """The values of options that are not drawn: the entry's own, and other kinds' defaults by the study's names."""
    sections: dict[str, Any] = {name: chosen.dump() for name, chosen in kind_sections(entry).items()}
    sections["train"] = entry.train.model_dump(mode="json")
    values = {path: value for name, part in sections.items() for path, value in flatten_values(part, name).items()}
    for branch in found:
        if branch.kind and branch.kind != values[f"{branch.section}.kind"]:
            defaults = branch.spec.model_construct().model_dump(mode="json", warnings=False)
            flat = flatten_values(defaults, branch.section) | dict(branch.carried)
            values |= {branch.name(path): value for path, value in flat.items()}
    return values
