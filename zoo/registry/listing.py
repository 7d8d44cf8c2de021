"""List and describe entries of the registry, and make its JSON schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.core.errors import ZooError
from zoo.core.spec import options
from zoo.registry.catalog import catalog
from zoo.registry.data_source import Data, with_data
from zoo.registry.description import EntryDescription, OptionDescription
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import Registry, read_registry
from zoo.registry.raw_entry import RawEntry, typed_options
from zoo.registry.results import describe_best, results_of
from zoo.registry.unused import refuse_unused

Paths = Collection[str | Path]
ENTRY_COLUMNS = ("entry", "what it is", "kind", "plugin", "best result", "parameters", "data", "weights")


@dataclass(frozen=True)
class EntryInfo:
    """An entry as `zoo list` shows it."""

    name: str
    summary: str
    kind: str
    data: str
    """Data kind of its own data."""
    plugin: str
    needs: list[str]
    """Why the entry cannot be used, one string per reason; empty if it can."""
    results: list[dict[str, Any]]
    weights: list[str] = field(default_factory=list)
    """Names of the weights that packages ship, e.g. `cnn@digits`, with which it can be used without training."""

    @property
    def row(self) -> tuple[str, ...]:
        """The entry as a row of a table with the columns ENTRY_COLUMNS."""
        best = describe_best(self.results, self.data)
        trained_on = ", ".join(name.partition("@")[2] for name in self.weights)
        return (self.name, self.summary, self.kind, self.plugin, *best, trained_on)

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        from zoo.display.html import key_value_table, titled_block

        about: dict[str, object] = dict(zip(ENTRY_COLUMNS[1:], self.row[1:], strict=True))
        return titled_block(self.name, key_value_table(about | {"cannot be used": "; ".join(self.needs)}))


class Entries(list[EntryInfo]):
    """A list of entries that a notebook shows as a table."""

    def __repr__(self) -> str:
        """List the entries in one line."""
        return f"<Entries: {', '.join(entry.name for entry in self)}>"

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        from zoo.display.html import muted_line, table, titled_block

        needs = [muted_line(f"{entry.name} cannot be used: {need}") for entry in self for need in entry.needs]
        return titled_block("", table(ENTRY_COLUMNS, [entry.row for entry in self], right=[5]), *needs)


def load_registry(extra: Paths = ()) -> tuple[Registry, list[str]]:
    """Read all registry layers and extra files on top.

    Also returns one message per file that was skipped.
    """
    return read_registry([Path(path) for path in extra])


def load_entry(name: str, overrides: Iterable[str] = (), registries: Paths = ()) -> Entry:
    """Load and validate an entry of the registry with `key=value` overrides."""
    return resolve_entry(load_registry(registries)[0].resolve(name, overrides))


def entries(registries: Paths = ()) -> Entries:
    """List every entry of the registry, also those that cannot be used now.

    Args:
        registries: Registry files to read in addition to those of the zoo, of plugins and of the user.

    Returns:
        A list of EntryInfo, which a notebook shows as a table.

    Raises:
        ZooError: If a registry file is missing or malformed.

    Example:
        >>> import zoo
        >>> "cnn" in [entry.name for entry in zoo.entries()]
        True
    """
    registry, _ = load_registry(registries)
    return Entries(describe_entry(registry, name) for name in registry.entries)


def describe_entry(registry: Registry, name: str) -> EntryInfo:
    """Describe one entry for a listing, with the reason if it cannot be used."""
    summary = kind = ""
    try:
        raw = registry.resolve(name)
        summary, kind = str(raw.data.get("summary", "")), str(raw.data.get("model", {}).get("kind", ""))
        entry = resolve_entry(raw)
    except ZooError as error:
        return EntryInfo(name, summary, kind, "", "", [str(error)], [])
    results, weights = results_of(entry, registry.results), [each.name for each, _ in catalog().weights(name)]
    return EntryInfo(name, summary, kind, entry.data.name, entry.model.plugin.name, [], results, weights)


def show(
    name: str,
    overrides: Iterable[str] = (),
    registries: Paths = (),
    measure: bool = True,
    data: Data | None = None,
) -> EntryDescription:
    """Describe an entry: its options, search space, results and size.

    Args:
        name: Name of the entry.
        overrides: `key=value` strings, as on the command line.
        registries: Registry files to read in addition.
        measure: Whether to count parameters and FLOPs for the data, which imports torch.
        data: A data kind, a folder with one subfolder per class, Parquet files, or arrays `(x, y)` as `zoo.train` takes
            them; by default the entry's own data.

    Returns:
        The summary, hash, kind, plugin, size, values, options and results of the entry.

    Raises:
        ZooError: If the entry is unknown, cannot be used, or an override is wrong.

    Example:
        >>> import zoo
        >>> about = zoo.show("cnn", ["train.epochs=3"], measure=False)
        >>> about.kind, about.spec["train"]["epochs"]
        ('cnn', 3)
    """
    registry, _ = load_registry(registries)
    words = with_data(data, overrides)
    raw = registry.resolve(name, words)
    entry = resolve_entry(raw)
    searched = search_space(entry, raw, words)
    refuse_unused(entry, typed_options(words), searched)
    parameters = flops = shape = None
    if measure:
        from zoo.registry.build import data_info
        from zoo.registry.model_size import measure_entry

        info = data_info(entry.data)
        size, shape = measure_entry(entry, info, searched), info.shape
        parameters, flops = size.parameters, size.flops
    spec = entry.dump() | {"tune": entry.tune.model_dump(mode="json")}
    return EntryDescription(
        name=name,
        summary=entry.summary,
        hash=entry.hash(),
        kind=entry.model.name,
        plugin=str(entry.model.plugin),
        parameters=parameters,
        flops=flops,
        shape=shape,
        spec=spec,
        options=describe_options(entry, spec, searched),
        results=results_of(entry, registry.results),
        weights=weights_of(name, entry),
    )


def weights_of(name: str, entry: Entry) -> list[dict[str, Any]]:
    """Describe the weights of an entry that packages ship, each marked as stale or not."""
    own = entry.hash()
    return [
        {"name": each.name, **each.to_json(), "plugin": str(plugin), "stale": each.of != own}
        for each, plugin in catalog().weights(name)
    ]


def describe_options(entry: Entry, spec: dict[str, Any], searched: dict[str, str]) -> list[OptionDescription]:
    """Describe every option of an entry, with its value and search range."""
    names = [
        (f"{section}.{option.name}", option) for section, kind in entry.sections() for option in options(type(kind))
    ]
    return [
        OptionDescription(name, option.type, option.default, value_at(spec, name), searched.get(name), option.help)
        for name, option in names
    ]


def search_space(entry: Entry, raw: RawEntry, overrides: list[str]) -> dict[str, str]:
    """Describe the search range of each option that `zoo tune` would search.

    Raises ZooError for what `zoo tune` refuses, if the overrides say how to search, and for ranges that are wrong.
    """
    from zoo.registry.search.checks import check_epochs, check_objective
    from zoo.registry.search.planner import NothingToSearchError
    from zoo.registry.search.space import Space

    typed = any(word.startswith("tune.") for word in overrides)
    try:
        space = Space.of(raw, entry, entry.tune.space, overridden_options(overrides))
    except NothingToSearchError:
        if typed:
            raise
        return {}
    if typed:
        check_objective(entry.tune)
        check_epochs(entry, space)
    return space.describe()


def overridden_options(overrides: Iterable[str]) -> list[str]:
    """Return the options that `key=value` overrides set, which are therefore not searched."""
    return [key for key in typed_options(overrides) if not key.startswith("tune.")]


def value_at(spec: Any, path: str) -> Any:
    """Return the value at a dotted path, or None if there is none."""
    for part in path.split("."):
        spec = spec.get(part) if isinstance(spec, dict) else None
    return spec


def schema() -> dict[str, Any]:
    """Make the JSON schema of registry files, for completion and validation in editors.

    Returns:
        A JSON schema, draft 2020-12, with the kinds of all installed plugins.

    Example:
        >>> import zoo
        >>> zoo.schema()["required"]
        ['version']
    """
    from zoo.registry.json_schema import registry_schema

    return registry_schema(catalog())
