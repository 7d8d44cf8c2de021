"""The further augmentations of an entry: their kinds and their options."""

from __future__ import annotations

from typing import Any

from zoo.core.errors import ZooError
from zoo.core.sections import AugmentSpec
from zoo.registry.catalog import catalog
from zoo.registry.kinds import AugmentKind
from zoo.registry.plugins.discover import Plugin
from zoo.registry.raw_entry import RawEntry
from zoo.registry.validation import validate

THEN = ("train", "augment", "then")
"""The path of the list in an entry."""


def resolve_augment(raw: RawEntry, item: dict[str, Any]) -> dict[str, Any]:
    """Validate one augmentation of a list, and return it with all options explicit."""
    where = f"{raw.location(THEN)}{raw.name}.{'.'.join(THEN)}"
    try:
        _, kind, given = find_augment(item["kind"])
    except ZooError as error:
        raise type(error)(f"{where}: {error.args[0]}", error.hint) from None
    name = item["kind"].partition(":")[0] if given else item["kind"]
    options = given | {key: value for key, value in item.items() if key != "kind"}
    spec = validate(kind.spec, raw, (*THEN, name), options)
    return {"kind": name, **spec.model_dump(mode="json")}


def find_augment(name: str) -> tuple[Plugin, AugmentKind[Any], dict[str, Any]]:
    """Find an augmentation kind by `name`, `plugin:name` or `name:argument`; also return the option that is given."""
    first, colon, rest = name.partition(":")
    known = catalog()
    if colon and not known.providers_of("augment", name) and known.providers_of("augment", first):
        plugin, kind = known.find("augment", first)
        if kind.argument:
            return plugin, kind, {kind.argument: rest}
    return (*known.find("augment", name), {})


def refuse_mixed_labels(spec: AugmentSpec) -> None:
    """Raise ZooError for augmentations that mix labels."""
    for item in spec.then:
        if find_augment(item["kind"])[1].mixes:
            text = f"{'.'.join(THEN)}: {item['kind']} mixes labels, from which only classifiers learn"
            raise ZooError(text, "leave it out, or choose a classifier such as cnn")
