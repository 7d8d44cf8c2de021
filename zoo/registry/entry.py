"""An entry of the registry, validated against the specs of its kinds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from zoo.core.errors import MissingError, ZooError
from zoo.core.files import digest
from zoo.core.sections import StageSpec, TrainSpec, TuneSpec
from zoo.core.spec import Spec
from zoo.registry.catalog import Catalog
from zoo.registry.kinds import ModelKind
from zoo.registry.plugins.discover import Plugin
from zoo.registry.raw_entry import ENTRY_KEYS, RawEntry, check_keys
from zoo.registry.validation import validate

DEFAULT_DATA: dict[str, Any] = {"kind": "digits"}


@dataclass(frozen=True)
class Component:
    """A component of an entry: a kind, its plugin and its options."""

    kind: Any
    plugin: Plugin
    spec: Spec
    name: str

    def dump(self) -> dict[str, Any]:
        """The section as JSON, every option explicit."""
        return {"kind": self.name, **self.spec.model_dump(mode="json")}


@dataclass(frozen=True)
class Entry:
    """What `zoo train NAME` trains: pictures, model and training, all options explicit."""

    name: str
    summary: str
    data: Component
    model: Component
    prior: Component | None
    """The prior over the codes of a latent model; None of any other model."""
    text: Component | None
    """The text encoder of a prior that draws codes for a text; None of any other."""
    train: TrainSpec
    tune: TuneSpec = field(default_factory=TuneSpec, compare=False)
    """How `zoo tune` searches; a run does not depend on it, so neither `dump` nor `hash` holds it."""

    @property
    def model_kind(self) -> ModelKind[Any]:
        """The kind of the model."""
        kind: ModelKind[Any] = self.model.kind
        return kind

    def kinds(self) -> list[Component]:
        """The kinds that it is made of."""
        return [self.data, self.model, *self.optional.values()]

    @property
    def optional(self) -> dict[str, Component]:
        """The parts that not all entries have, by name."""
        return {name: part for name, part in (("prior", self.prior), ("text", self.text)) if part}

    def sections(self) -> list[tuple[str, Spec]]:
        """The options of each part, by its name."""
        return [
            ("data", self.data.spec),
            ("model", self.model.spec),
            *((name, part.spec) for name, part in self.optional.items()),
            ("train", self.train),
            ("tune", self.tune),
        ]

    def dump(self) -> dict[str, Any]:
        """The entry as JSON; `restore` of it gives the entry back."""
        sections = {"data": self.data.dump(), "model": self.model.dump()}
        sections |= {name: part.dump() for name, part in self.optional.items()}
        train = self.train.model_dump(mode="json")
        return {"name": self.name, "summary": self.summary, **sections, "train": train}

    def hash(self) -> str:
        """Eight hexadecimal digits over all that makes a result: the model and its training, not data or seed."""
        dumped = self.train.model_dump(mode="json")
        # An option that is None says nothing: one that a newer zoo adds makes no result stale.
        train = {key: value for key, value in dumped.items() if key not in UNHASHED and value is not None}
        parts = {name: part.dump() for name, part in self.optional.items()}
        if parts.get("text") == DEFAULT_TEXT:
            del parts["text"]
        return digest({"model": self.model.dump(), **parts, "train": train})[:8]


UNHASHED = {"seed", "save_seconds"}
DEFAULT_TEXT = {"kind": "classes"}
"""What says nothing of a model: its prior is told the class, as each was before there were text encoders."""


def resolve_entry(catalog: Catalog, raw: RawEntry) -> Entry:
    """Validate an entry; the first mistake is an error with its file and line."""
    model = resolve_component(catalog, raw, "model", {})
    data = resolve_component(catalog, raw, "data", DEFAULT_DATA)
    prior = resolve_prior(catalog, raw, model)
    text = resolve_text(catalog, raw, prior)
    options = raw.data.get("train", {})
    stages = options.get("stages") if isinstance(options, dict) else None
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        validate(StageSpec, raw, ("train", "stages", name), stage)
    train = validate(TrainSpec, raw, ("train",), options)
    tune = validate(TuneSpec, raw, ("tune",), raw.data.get("tune", {}))
    return Entry(raw.name, str(raw.data.get("summary", "")), data, model, prior, text, train, tune)


def resolve_prior(catalog: Catalog, raw: RawEntry, model: Component) -> Component | None:
    """The prior over the codes of a latent model; ZooError where the model has none."""
    if model.kind.prior:
        return resolve_component(catalog, raw, "prior", {"kind": model.kind.prior})
    if "prior" in raw.data:
        place = raw.place(("prior",))
        raise ZooError(f"{place}{raw.name}.prior: the model kind {model.name!r} has no codes", "leave the prior out")
    return None


def resolve_text(catalog: Catalog, raw: RawEntry, prior: Component | None) -> Component | None:
    """The text encoder of a prior that draws for a text; ZooError where the prior has no use for one."""
    if prior and prior.kind.text:
        return resolve_component(catalog, raw, "text", {"kind": prior.kind.text})
    if "text" in raw.data:
        what = f"the prior {prior.name!r} draws for no text" if prior else "the model has no prior to draw for a text"
        raise ZooError(f"{raw.place(('text',))}{raw.name}.text: {what}", "leave the text out, or take prior.kind=flow")
    return None


def restore_entry(catalog: Catalog, dumped: Any) -> Entry:
    """The entry that `Entry.dump` wrote."""
    if not isinstance(dumped, dict) or not isinstance(dumped.get("name"), str):
        raise ZooError("not an entry: it has no name")
    parts = {key: value for key, value in dumped.items() if key != "name"}
    check_keys(parts, ENTRY_KEYS, {}, dumped["name"])
    return resolve_entry(catalog, RawEntry(dumped["name"], parts, {}))


def with_train(entry: Entry, **options: Any) -> Entry:
    """The entry with some options of the training replaced."""
    raw = RawEntry(entry.name, {"train": entry.train.model_dump() | options}, {("train",): "command line"})
    return replace(entry, train=validate(TrainSpec, raw, ("train",), raw.data["train"]))


def resolve_component(catalog: Catalog, raw: RawEntry, section: str, default: dict[str, Any]) -> Component:
    """The kind and the options of one section."""
    place, where = raw.place((section, "kind")), f"{raw.name}.{section}"
    given = raw.data.get(section, {})
    if not isinstance(given, dict):
        raise ZooError(f"{place}{where} must be a mapping")
    body = default | given
    name = body.pop("kind", None)
    if not isinstance(name, str):
        raise ZooError(f"{place}{where} needs a `kind`", "see `zoo plugins`")
    try:
        plugin, kind = catalog.find(section, name)
    except ZooError as error:
        raise type(error)(f"{place}{where}: {error.args[0]}", error.hint) from None
    try:
        chosen = Component(kind, plugin, validate(kind.spec, raw, (section,), body), name)
        digest(chosen.dump())
    except ZooError:
        raise
    except Exception as error:  # a plugin's own validator or serialiser failed
        raise MissingError(f"{place}{where}: {plugin} failed on it: {type(error).__name__}: {error}") from error
    return chosen
