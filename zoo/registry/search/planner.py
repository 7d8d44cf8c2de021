"""Plan a search space: turn the ranges of specs and of `tune.space` into dimensions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.sections import StageSpec
from zoo.core.spec import Choice, Mark, options, yaml_scalar
from zoo.registry.catalog import catalog
from zoo.registry.entry import Entry
from zoo.registry.raw_entry import RawEntry, is_fixed
from zoo.registry.search.augments import LIST, choice_of_lists, conditions_of, own_range, own_values
from zoo.registry.search.dimension import Dimension, Value, fit_range, reject_duplicates, validate_values
from zoo.registry.search.sections import Branch, default_values, kind_sections, make_branches
from zoo.registry.search.syntax import (
    COMMAND_LINE,
    ConditionalRange,
    SearchRequest,
    collect_requests,
    flatten_requests,
    parse_range,
)


class NothingToSearchError(ZooError):
    """Raised when no option of an entry is searched."""


Plan = tuple[tuple[Dimension, ...], dict[str, Any], dict[str, Mapping[str, Any]]]


def plan_space(raw: RawEntry, entry: Entry, requested: Mapping[str, Any], fixed: Collection[str]) -> Plan:
    """Plan the search space of an entry.

    Returns the dimensions in sampling order, the values of all other options, and the overrides for other kinds.
    """
    planner = Planner(raw, entry, fixed)
    planner.read_kinds(requested)
    planner.branches = make_branches(entry, planner.kinds, fixed)
    planner.fixed = [planner.current_name(path) for path in fixed]
    requests = planner.valid_requests(requested)
    dimensions = tuple(order_by_condition([*planner.dimensions(requests)], raw))
    planner.check_required({dimension.name for dimension in dimensions})
    if not dimensions:
        raise NothingToSearchError(f"nothing to search in {raw.name}", "set tune.space")
    values = default_values(entry, planner.branches)
    values |= own_values(dimensions, raw, entry)
    planner.check_effect(requests, dimensions, values)
    overrides = {branch.name(branch.section): branch.overrides for branch in planner.branches if branch.overrides}
    return dimensions, values, overrides


@dataclass
class Planner:
    """The state while a search space is planned."""

    raw: RawEntry
    entry: Entry
    fixed: Collection[str]
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The candidate kinds of each section whose kind is searched."""
    lists: Choice | None = None
    """The lists of augmentations that are searched."""
    branches: list[Branch] = field(default_factory=list)

    def read_kinds(self, requested: Mapping[str, Any]) -> None:
        """Find the sections whose kind is searched, and their candidate kinds."""
        sections = kind_sections(self.entry)
        paths = {f"{section}.kind": section for section in sections}
        for path, request in collect_requests(self.raw, requested, sections.__contains__).items():
            if path in paths and not is_fixed(path, self.fixed) and (mark := self.parse(request, None).mark):
                if not isinstance(mark, Choice):
                    raise request.error(self.raw, "should be a list of kinds")
                section = paths[path]
                try:
                    self.kinds[section] = tuple(
                        reject_duplicates(self.resolve_kind(section, request, name) for name in mark.values)
                    )
                except ValueError as error:
                    raise request.error(self.raw, error) from None

    def resolve_kind(self, section: str, request: SearchRequest, name: Any) -> str:
        """Check the name of a kind; the entry's own kind keeps its spelling."""
        own = kind_sections(self.entry)[section]
        if not isinstance(name, str):
            raise request.error(self.raw, f"a kind must be a string, got {name!r:.60}")
        try:
            kind = catalog().find(section, name)[1]
        except ZooError as error:
            raise type(error)(str(request.error(self.raw, error.args[0])), error.hint) from None
        return own.name if kind == own.kind else name

    def parse(self, request: SearchRequest, own: Mark | None) -> ConditionalRange:
        """Parse the search range requested for one option."""
        try:
            return parse_range(request.value, own)
        except ValueError as error:
            raise request.error(self.raw, error) from None

    def is_group(self, path: str) -> bool:
        """Return whether a path is a group of options."""
        return any(branch.is_group(path) for branch in self.branches)

    def valid_requests(self, requested: Mapping[str, Any]) -> dict[str, SearchRequest]:
        """Return the request for each option; ZooError for an unknown option."""
        found = {}
        for request in collect_requests(self.raw, requested, self.is_group).values():
            current = request._replace(path=self.current_name(request.path))
            self.check_known(current, current.path)
            self.check_typed(current)
            found[current.path] = current
        return found

    def check_typed(self, request: SearchRequest) -> None:
        """Reject a typed range of an option that is typed as well, and minutes, which no study searches."""
        typed = request.value is not None and request.location(self.raw) == COMMAND_LINE
        if typed and is_fixed(request.path, self.fixed):
            raise request.error(self.raw, f"{request.path} has a value and a search range", "give one of them")
        if request.value is not None and request.path.startswith("train.") and request.path.endswith(".minutes"):
            text = "`zoo tune` compares trials epoch by epoch, so minutes cannot be searched"
            raise request.error(self.raw, text, "search train.epochs")

    def check_effect(
        self, requests: Mapping[str, SearchRequest], dimensions: Iterable[Dimension], values: Mapping[str, Value]
    ) -> None:
        """Reject a typed range whose conditions are never met."""
        searched = {dimension.path for dimension in dimensions}
        for dimension in dimensions:
            request = requests.get(dimension.path)
            if request is None or request.location(self.raw) != COMMAND_LINE:
                continue
            for path, allowed in dimension.when.items():
                if path not in searched and path in values and values[path] not in allowed:
                    text = f"it is searched only when {path} is {' or '.join(map(yaml_scalar, allowed))}"
                    raise request.error(self.raw, f"{text}, but that is {yaml_scalar(values[path])}")

    def current_name(self, path: str) -> str:
        """Replace a former option name in a path by the current one."""
        for branch in self.branches:
            path = branch.current_name(path)
        return path

    def check_known(self, request: SearchRequest, path: str) -> None:
        """Reject a path that is not a searchable option."""
        section = path.partition(".")[0]
        if section in ("data", "tune"):
            raise request.error(self.raw, f"options of {section} cannot be searched")
        if self.is_group(path) and path != LIST:
            raise request.error(
                self.raw, f"{path} is a group of options, not an option", f"e.g. {next(self.names_under(path))}"
            )
        if not self.is_kind(path) and not any(branch.field(path) for branch in self.branches):
            raise request.error(self.raw, f"no option {path[:80]!r}", did_you_mean(path, self.names(path)))

    def is_kind(self, path: str) -> bool:
        """Return whether a path is the kind of a section."""
        return path in {f"{section}.kind" for section in kind_sections(self.entry)}

    def names(self, path: str = "") -> Iterator[str]:
        """Yield every option by dotted name; for a stage's path also its options."""
        yield from (f"{section}.kind" for section in kind_sections(self.entry))
        yield from (name for branch in self.branches for name in branch.names())
        if path.startswith("train.stages."):
            yield from (f"{path.rpartition('.')[0]}.{name}" for name in StageSpec.model_fields)

    def names_under(self, path: str) -> Iterator[str]:
        """Yield the options in a group."""
        yield from (name for name in self.names() if name.startswith(f"{path}.") and not name.endswith(".kind"))
        yield f"{path}.lr" if path.count(".") > 1 else f"{path}.main.lr"

    def dimensions(self, requested: Mapping[str, SearchRequest]) -> Iterator[Dimension]:
        """Yield the dimensions: kinds first, then options in spec order, then stages' options."""
        for section, kinds in self.kinds.items():
            path = f"{section}.kind"
            parsed = self.parse(requested[path], None)
            yield Dimension(path, Choice(*kinds), path, when=self.conditions(requested[path], parsed.when))
        self.lists = None
        stages = sorted(path for path in requested if path.startswith(("train.stages.", f"{LIST}.")))
        for branch in self.branches:
            for path in [*branch.names(), *(stages if branch.section == "train" else ())]:
                if dimension := self.dimension(branch, path, requested.get(path)):
                    yield dimension

    def dimension(self, branch: Branch, path: str, request: SearchRequest | None) -> Dimension | None:
        """Make the dimension of an option, or None if it is not searched."""
        own = own_range(path) if path.startswith(f"{LIST}.") else branch.declared_ranges().get(path)
        if is_fixed(path, self.fixed) or (request is None and own is None):
            return None
        mark, when = self.parse(request, own) if request else ConditionalRange(own, {})
        option = branch.field(path)
        if mark is None or option is None:
            return None
        try:
            mark, integer = (choice_of_lists(mark, self.raw), False) if path == LIST else fit_range(option, mark)
            of_list = conditions_of(path, self.lists, self.entry) if path.startswith(f"{LIST}.") else {}
        except ValueError as error:
            raise self.range_error(branch, path, request, error) from None
        self.lists = mark if path == LIST and isinstance(mark, Choice) else self.lists
        conditions = of_list | (self.conditions(request, when) if request else {})
        if branch.kind:
            kind = f"{branch.section}.kind"
            if branch.kind not in conditions.get(kind, (branch.kind,)):
                return None
            conditions = {kind: (branch.kind,), **{key: part for key, part in conditions.items() if key != kind}}
        return Dimension(path, mark, branch.name(path), integer, conditions)

    def check_required(self, searched: Collection[str]) -> None:
        """Reject a candidate kind with a required option that is neither set nor searched."""
        for branch in self.branches:
            if branch.kind and branch.kind != kind_sections(self.entry)[branch.section].name:
                for option in options(branch.spec):
                    path = f"{branch.section}.{option.name}"
                    if option.required and path not in branch.overrides and branch.name(path) not in searched:
                        text = f"{self.raw.name}: the kind {branch.kind!r} needs {path}"
                        raise ZooError(text, "give it a search range in tune.space")

    def range_error(self, branch: Branch, path: str, request: SearchRequest | None, error: ValueError) -> ZooError:
        """Make the error for a range, requested or from the spec, that does not fit."""
        return (
            request.error(self.raw, error)
            if request
            else ZooError(f"{self.raw.name}.{branch.name(path)}: its search range: {error}")
        )

    def conditions(self, request: SearchRequest, when: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
        """Parse the conditions of a dimension: allowed values by dotted option."""
        found = {}
        for part in flatten_requests(when, self.is_group):
            under = SearchRequest(f"{request.path}.when.{part.path}", (*request.keys, "when", *part.keys), part.value)
            self.check_known(under, part.path)
            values = part.value if isinstance(part.value, list | tuple) else [part.value]
            found[part.path] = tuple(self.condition_values(under, part.path, values))
        return found

    def condition_values(self, request: SearchRequest, path: str, values: Iterable[Any]) -> Iterator[Value]:
        """Yield the values of a condition as the type of its option stores them."""
        if self.is_kind(path):
            yield from (self.resolve_kind(path.removesuffix(".kind"), request, value) for value in values)
            return
        fields = [option for branch in self.branches if (option := branch.field(path))]
        for value in values:
            problem: ValueError | None = None
            for option in fields:
                try:
                    yield next(validate_values(option, [value]))
                    break
                except ValueError as error:
                    problem = problem or error
            else:
                raise request.error(self.raw, problem or f"no value {yaml_scalar(value)}")


def order_by_condition(dimensions: list[Dimension], raw: RawEntry) -> Iterator[Dimension]:
    """Yield each dimension after those that its conditions depend on, otherwise in the given order."""
    left = dimensions
    while left:
        waiting = {dimension.path for dimension in left}
        ready = next((one for one in left if not waiting & one.when.keys()), None)
        if ready is None:
            circle = ", ".join(sorted({one.path for one in left if waiting & one.when.keys()}))
            raise ZooError(
                f"{raw.location(('tune', 'space'))}{raw.name}.tune.space: the conditions are circular: {circle}"
            )
        left = [one for one in left if one is not ready]
        yield ready
