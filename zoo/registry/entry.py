"""An entry of the registry, validated against the specs of its kinds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from zoo.core.errors import MissingError, ZooError
from zoo.core.files import digest
from zoo.core.sections import StageSpec, TrainSpec, TuneSpec
from zoo.core.spec import Spec
from zoo.registry.augments import resolve_augment
from zoo.registry.catalog import catalog
from zoo.registry.kinds import DataKind, Kind, ModelKind, PriorKind, TextKind
from zoo.registry.plugins.discover import Plugin
from zoo.registry.raw_entry import DEFAULT_DATA, ENTRY_KEYS, RawEntry, check_keys
from zoo.registry.validation import validate

K = TypeVar("K", bound=Kind)
K_co = TypeVar("K_co", bound=Kind, covariant=True)


@dataclass(frozen=True)
class Component(Generic[K_co]):
    """A component of an entry: a kind, its plugin and its options."""

    kind: K_co
    plugin: Plugin
    spec: Spec
    name: str

    def dump(self) -> dict[str, Any]:
        """Return the section as a JSON object with every option explicit."""
        return {"kind": self.name, **self.spec.model_dump(mode="json")}

    def spelt_alike(self) -> dict[str, Any]:
        """Return the section as `dump` does, but the same for `cnn` and `classifiers:cnn`."""
        return self.dump() | {"kind": catalog().shortest_name(self.plugin, self.kind.family, self.kind.name)}


@dataclass(frozen=True)
class Entry:
    """A validated entry: data, model and training, with all options explicit."""

    name: str
    summary: str
    data: Component[DataKind[Any]]
    model: Component[ModelKind[Any]]
    prior: Component[PriorKind[Any]] | None
    """The prior over the codes of a latent model; None for any other model."""
    text: Component[TextKind[Any]] | None
    """The text encoder of a prior that is conditioned on text; None otherwise."""
    train: TrainSpec
    tune: TuneSpec = field(default_factory=TuneSpec, compare=False)
    """Options of `zoo tune`; a run does not depend on them, so `dump` and `hash` leave them out."""
    typed: frozenset[str] | None = field(default=None, compare=False)
    """Options that overrides set, where they also replaced the pictures that the entry's values were chosen for: all
    others may follow the pictures when the training begins. None where the values stay as they are."""

    @property
    def optional(self) -> dict[str, Component[Kind]]:
        """The components that not every entry has, by section name."""
        parts: list[tuple[str, Component[Kind] | None]] = [("prior", self.prior), ("text", self.text)]
        return {name: part for name, part in parts if part}

    @property
    def components(self) -> dict[str, Component[Kind]]:
        """All components by section name: data, model, and prior and text if there are any."""
        return {"data": self.data, "model": self.model, **self.optional}

    def sections(self) -> list[tuple[str, Spec]]:
        """Return the options of each section, with its name."""
        parts = [(name, part.spec) for name, part in self.components.items()]
        return [*parts, ("train", self.train), ("tune", self.tune)]

    def dump(self) -> dict[str, Any]:
        """Return the entry as a JSON object, from which `restore_entry` makes the entry again."""
        sections = {name: part.dump() for name, part in self.components.items()}
        train = self.train.model_dump(mode="json")
        return {"name": self.name, "summary": self.summary, **sections, "train": train}

    def spelt_alike(self) -> dict[str, Any]:
        """Return the entry as `dump` does, but the same however its kinds are spelt."""
        return self.dump() | {name: part.spelt_alike() for name, part in self.components.items()}

    def hash(self) -> str:
        """Hash the options that determine a result to 8 hex digits.

        Those are the options of model and training, not the data or the seed.
        """
        dumped = self.train.model_dump(mode="json")
        # Options that are None are left out, so a new option with default None makes no result stale.
        train = {key: value for key, value in dumped.items() if key not in UNHASHED and value is not None}
        parts = {name: part.spelt_alike() for name, part in {"model": self.model, **self.optional}.items()}
        if parts.get("text") == DEFAULT_TEXT:
            del parts["text"]
        return digest(parts | {"train": train})[:8]


UNHASHED = {"seed", "save_seconds"}
DEFAULT_TEXT = {"kind": "classes"}
"""Left out of the hash: all priors were class-conditional before text encoders existed."""


def resolve_entry(raw: RawEntry) -> Entry:
    """Validate an entry; the first error is raised with its file and line."""
    model = resolve_component(raw, ModelKind, {})
    data = resolve_component(raw, DataKind, DEFAULT_DATA)
    prior = resolve_prior(raw, model)
    text = resolve_text(raw, prior)
    options = raw.data.get("train", {})
    stages = options.get("stages") if isinstance(options, dict) else None
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        validate(StageSpec, raw, ("train", "stages", name), stage)
    train = resolve_train(raw, options)
    tune = validate(TuneSpec, raw, ("tune",), raw.data.get("tune", {}))
    typed = raw.typed if raw.other_pictures else None
    return Entry(raw.name, str(raw.data.get("summary", "")), data, model, prior, text, train, tune, typed)


def resolve_train(raw: RawEntry, options: Any) -> TrainSpec:
    """Validate the section `train`, also the options of its further augmentations."""
    train = validate(TrainSpec, raw, ("train",), options)
    if not train.augment.then:
        return train
    then = tuple(resolve_augment(raw, item) for item in train.augment.then)
    return train.model_copy(update={"augment": train.augment.model_copy(update={"then": then})})


def resolve_prior(raw: RawEntry, model: Component[ModelKind[Any]]) -> Component[PriorKind[Any]] | None:
    """Resolve the prior of a latent model; ZooError if another model sets one."""
    if model.kind.prior:
        return resolve_component(raw, PriorKind, {"kind": model.kind.prior})
    if "prior" in raw.data:
        location = raw.location(("prior",))
        raise ZooError(
            f"{location}{raw.name}.prior: the model kind {model.name!r} has no codes, so it takes no prior",
            "leave out the options of `prior`",
        )
    return None


def resolve_text(raw: RawEntry, prior: Component[PriorKind[Any]] | None) -> Component[TextKind[Any]] | None:
    """Resolve the text encoder of a prior; ZooError if the prior takes none."""
    if prior and prior.kind.text:
        return resolve_component(raw, TextKind, {"kind": prior.kind.text})
    if "text" in raw.data:
        what = f"the prior {prior.name!r} takes no text" if prior else "the model has no prior, so it takes no text"
        # the first prior that takes text is a flow over continuous codes; over words there is another
        hint = "leave out the options of `text`" + (
            ", or set prior.kind=flow" if prior and not prior.kind.words else ""
        )
        raise ZooError(f"{raw.location(('text',))}{raw.name}.text: {what}", hint)
    return None


def restore_entry(dumped: Any) -> Entry:
    """Make an entry from the output of `Entry.dump`."""
    if not isinstance(dumped, dict) or not isinstance(dumped.get("name"), str):
        raise ZooError("not an entry: it has no `name`")
    parts = {key: value for key, value in dumped.items() if key != "name"}
    check_keys(parts, ENTRY_KEYS, {}, dumped["name"])
    return resolve_entry(RawEntry(dumped["name"], parts, {}))


def with_train(entry: Entry, **options: Any) -> Entry:
    """Return the entry with some training options replaced."""
    raw = RawEntry(entry.name, {"train": entry.train.model_dump() | options}, {("train",): "command line"})
    return replace(entry, train=resolve_train(raw, raw.data["train"]))


def resolve_component(raw: RawEntry, family: type[K], default: dict[str, Any]) -> Component[K]:
    """Find the kind of one section and validate its options."""
    section = family.family
    location, where = raw.location((section, "kind")), f"{raw.name}.{section}"
    section_body = raw.data.get(section, {})
    if not isinstance(section_body, dict):
        raise ZooError(f"{location}{where} must be a mapping")
    body = default | section_body
    name = body.pop("kind", None)
    if not isinstance(name, str):
        raise ZooError(f"{location}{where} needs a `kind`", "see `zoo plugins`")
    try:
        plugin, kind = catalog().find(section, name)
    except ZooError as error:
        raise type(error)(f"{location}{where}: {error.args[0]}", error.hint) from None
    try:
        component = Component(kind, plugin, validate(kind.spec, raw, (section,), body), name)
        digest(component.dump())
    except ZooError:
        raise
    except Exception as error:  # a plugin's own validator or serialiser failed
        raise MissingError(
            f"{location}{where}: {plugin} failed to validate it: {type(error).__name__}: {error}"
        ) from error
    return component
