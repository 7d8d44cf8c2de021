"""From what is marked and asked to the dimensions of a space; every mistake is one line with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.sections import StageSpec
from zoo.core.spec import Choice, Mark, options, yaml_scalar
from zoo.registry.catalog import Catalog
from zoo.registry.entry import Entry
from zoo.registry.raw_entry import RawEntry
from zoo.registry.search.dimension import Dimension, Value, fit_range, reject_duplicates, validate_values
from zoo.registry.search.sections import Branch, default_values, is_fixed, kind_sections, make_branches
from zoo.registry.search.syntax import ConditionalRange, SearchRequest, collect_requests, flatten_requests, parse_range

Plan = tuple[tuple[Dimension, ...], dict[str, Any], dict[str, Mapping[str, Any]]]


def plan_space(catalog: Catalog, raw: RawEntry, entry: Entry, asked: Mapping[str, Any], fixed: Collection[str]) -> Plan:
    """The dimensions in the order of their drawing, the values of all other options, and what other kinds take over."""
    planner = Planner(catalog, raw, entry, fixed)
    planner.read_kinds(asked)
    planner.branches = make_branches(catalog, entry, planner.kinds, fixed)
    planner.fixed = [planner.today(path) for path in fixed]
    dimensions = tuple(order_by_condition([*planner.dimensions(planner.checked(asked))], raw))
    planner.check_required({dimension.name for dimension in dimensions})
    if not dimensions:
        raise ZooError(f"nothing to search in {raw.name}", "give tune.space")
    carried = {branch.name(branch.section): branch.carried for branch in planner.branches if branch.carried}
    return dimensions, default_values(entry, planner.branches), carried


@dataclass
class Planner:
    """What is known while a space is planned."""

    catalog: Catalog
    raw: RawEntry
    entry: Entry
    fixed: Collection[str]
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The kinds among which a section chooses, of those whose kind is searched."""
    branches: list[Branch] = field(default_factory=list)

    def read_kinds(self, asked: Mapping[str, Any]) -> None:
        """Find the sections whose kind is searched."""
        sections = kind_sections(self.entry)
        paths = {f"{section}.kind": section for section in sections}
        for path, ask in collect_requests(self.raw, asked, sections.__contains__).items():
            if path in paths and not is_fixed(path, self.fixed) and (mark := self.wish(ask, None).mark):
                if not isinstance(mark, Choice):
                    raise ask.fail(self.raw, "should be a list of kinds")
                section = paths[path]
                try:
                    self.kinds[section] = tuple(
                        reject_duplicates(self.kind(section, ask, name) for name in mark.values)
                    )
                except ValueError as error:
                    raise ask.fail(self.raw, error) from None

    def kind(self, section: str, ask: SearchRequest, name: Any) -> str:
        """The name of a kind; that of the entry's own is as the entry has it."""
        own = kind_sections(self.entry)[section]
        if not isinstance(name, str):
            raise ask.fail(self.raw, f"a kind is a text, got {name!r:.60}")
        try:
            kind = self.catalog.find(section, name)[1]
        except ZooError as error:
            raise type(error)(str(ask.fail(self.raw, error.args[0])), error.hint) from None
        return own.name if kind == own.kind else name

    def wish(self, ask: SearchRequest, own: Mark | None) -> ConditionalRange:
        """What is asked of one option."""
        try:
            return parse_range(ask.value, own)
        except ValueError as error:
            raise ask.fail(self.raw, error) from None

    def inner(self, path: str) -> bool:
        """Whether a path holds options."""
        return any(branch.inner(path) for branch in self.branches)

    def checked(self, asked: Mapping[str, Any]) -> dict[str, SearchRequest]:
        """What is asked of each option; ZooError for one that there is not."""
        found = {}
        for ask in collect_requests(self.raw, asked, self.inner).values():
            today = ask._replace(path=self.today(ask.path))
            self.check_known(today, today.path)
            found[today.path] = today
        return found

    def today(self, path: str) -> str:
        """A path with the name that its option has today."""
        for branch in self.branches:
            path = branch.today(path)
        return path

    def check_known(self, ask: SearchRequest, path: str) -> None:
        """Refuse a path that is no option to search."""
        section = path.partition(".")[0]
        if section in ("data", "tune"):
            raise ask.fail(self.raw, f"options of {section} are not searched")
        if self.inner(path):
            raise ask.fail(self.raw, f"{path} is no option but holds some", f"as {next(self.names_in(path))}")
        if not self.is_kind(path) and not any(branch.field(path) for branch in self.branches):
            raise ask.fail(self.raw, f"no option {path[:80]!r}", did_you_mean(path, self.names(path)))

    def is_kind(self, path: str) -> bool:
        """Whether a path is the kind of a section."""
        return path in {f"{section}.kind" for section in kind_sections(self.entry)}

    def names(self, path: str = "") -> Iterator[str]:
        """Every option by dotted name; near the path of a stage's option that stage's."""
        yield from (f"{section}.kind" for section in kind_sections(self.entry))
        yield from (name for branch in self.branches for name in branch.names())
        if path.startswith("train.stages."):
            yield from (f"{path.rpartition('.')[0]}.{name}" for name in StageSpec.model_fields)

    def names_in(self, path: str) -> Iterator[str]:
        """The options under a path."""
        yield from (name for name in self.names() if name.startswith(f"{path}.") and not name.endswith(".kind"))
        yield f"{path}.lr" if path.count(".") > 1 else f"{path}.main.lr"

    def dimensions(self, asked: Mapping[str, SearchRequest]) -> Iterator[Dimension]:
        """The dimensions in the order of the specs, kinds first; options of single stages last."""
        for section, kinds in self.kinds.items():
            path = f"{section}.kind"
            wish = self.wish(asked[path], None)
            yield Dimension(path, Choice(*kinds), path, when=self.conditions(asked[path], wish.when))
        stages = sorted(path for path in asked if path.startswith("train.stages."))
        for branch in self.branches:
            for path in [*branch.names(), *(stages if branch.section == "train" else ())]:
                if dimension := self.dimension(branch, path, asked.get(path)):
                    yield dimension

    def dimension(self, branch: Branch, path: str, ask: SearchRequest | None) -> Dimension | None:
        """The dimension of one option of one branch, if it is searched."""
        own = branch.marks().get(path)
        if is_fixed(path, self.fixed) or (ask is None and own is None):
            return None
        mark, when = self.wish(ask, own) if ask else ConditionalRange(own, {})
        option = branch.field(path)
        if mark is None or option is None:
            return None
        try:
            mark, integer = fit_range(option, mark)
        except ValueError as error:
            raise self.blame(branch, path, ask, error) from None
        conditions = self.conditions(ask, when) if ask else {}
        if branch.kind:
            kind = f"{branch.section}.kind"
            if branch.kind not in conditions.get(kind, (branch.kind,)):
                return None
            conditions = {kind: (branch.kind,), **{key: part for key, part in conditions.items() if key != kind}}
        return Dimension(path, mark, branch.name(path), integer, conditions)

    def check_required(self, searched: Collection[str]) -> None:
        """Refuse another kind whose spec has an option without default that nothing sets."""
        for branch in self.branches:
            if branch.kind and branch.kind != kind_sections(self.entry)[branch.section].name:
                for option in options(branch.spec):
                    path = f"{branch.section}.{option.name}"
                    if option.required and path not in branch.carried and branch.name(path) not in searched:
                        text = f"{self.raw.name}: the kind {branch.kind!r} needs {path}"
                        raise ZooError(text, "say in tune.space where to look for it")

    def blame(self, branch: Branch, path: str, ask: SearchRequest | None, error: ValueError) -> ZooError:
        """The error for a mark that does not fit; where nothing was asked the spec itself is wrong."""
        return ask.fail(self.raw, error) if ask else ZooError(f"{self.raw.name}.{branch.name(path)}: its mark: {error}")

    def conditions(self, ask: SearchRequest, when: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
        """The conditions of a dimension: values by dotted option."""
        found = {}
        for part in flatten_requests(when, self.inner):
            under = SearchRequest(f"{ask.path}.when.{part.path}", (*ask.keys, "when", *part.keys), part.value)
            self.check_known(under, part.path)
            values = part.value if isinstance(part.value, list | tuple) else [part.value]
            found[part.path] = tuple(self.wanted(under, part.path, values))
        return found

    def wanted(self, ask: SearchRequest, path: str, values: Iterable[Any]) -> Iterator[Value]:
        """The values of a condition, as the option that it names holds them."""
        if self.is_kind(path):
            yield from (self.kind(path.removesuffix(".kind"), ask, value) for value in values)
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
                raise ask.fail(self.raw, problem or f"no value {yaml_scalar(value)}")


def order_by_condition(dimensions: list[Dimension], raw: RawEntry) -> Iterator[Dimension]:
    """Each dimension after those that its conditions name; otherwise in the given order."""
    left = dimensions
    while left:
        waiting = {dimension.path for dimension in left}
        ready = next((one for one in left if not waiting & one.when.keys()), None)
        if ready is None:
            circle = ", ".join(sorted({one.path for one in left if waiting & one.when.keys()}))
            raise ZooError(
                f"{raw.place(('tune', 'space'))}{raw.name}.tune.space: the conditions go in a circle: {circle}"
            )
        left = [one for one in left if one is not ready]
        yield ready
