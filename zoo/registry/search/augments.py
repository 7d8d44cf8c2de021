"""Search spaces of `train.augment.then`: which list is used, and options of its augmentations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from zoo.core.augment_list import Items, as_mapping, label_items, parse_items
from zoo.core.errors import ZooError
from zoo.core.spec import Choice, Mark, search_space
from zoo.registry.augments import THEN, find_augment, resolve_augment
from zoo.registry.entry import Entry
from zoo.registry.raw_entry import RawEntry
from zoo.registry.search.dimension import Dimension, reject_duplicates
from zoo.registry.search.syntax import RangeError

LIST = ".".join(THEN)
"""The option that holds the list."""
NUMBER = re.compile(r"-\d+$")


def spec_of_label(label: str) -> type[BaseModel] | None:
    """Return the options of the augmentation that a label such as `cutout` or `cutout-2` stands for."""
    for name in dict.fromkeys([label, NUMBER.sub("", label)]):
        try:
            return find_augment(name)[1].spec
        except ZooError:
            continue
    return None


def own_range(path: str) -> Mark | None:
    """Return the search range that an augmentation declares for one of its options."""
    label, _, option = path.removeprefix(f"{LIST}.").partition(".")
    spec = spec_of_label(label)
    return search_space(spec).get(option) if spec else None


def choice_of_lists(mark: Mark | None, raw: RawEntry) -> Mark:
    """Convert a choice of lists to a choice of texts, each of which is checked; RangeError if one is wrong."""
    if not isinstance(mark, Choice):
        raise RangeError("it needs a choice of lists, such as none | mixup | mixup, trivial-augment")
    values: tuple[Any, ...] = mark.values
    texts = [value if isinstance(value, str) else list_text(parse_items(value)) for value in values]
    for text in texts:
        for item in parse_items(text):
            resolve_augment(raw, item)
    return Choice(*reject_duplicates(texts))


def list_text(items: Items) -> str:
    """Write a list of augmentations as a line of text."""
    parts = []
    for item in items:
        words = [f"{key}={json.dumps(value)}" for key, value in item.items() if key != "kind"]
        if any(mark in word for word in words for mark in ", {"):
            raise RangeError(f"the options of {item['kind']} cannot be written in one line; give them in the entry")
        parts.append(" ".join([item["kind"], *words]))
    return ", ".join(parts) or "none"


def labels_of(value: Any) -> dict[str, dict[str, Any]]:
    """Return the augmentations of a list by their labels."""
    return dict(label_items(parse_items(value)))


def conditions_of(path: str, lists: Choice | None, entry: Entry) -> dict[str, tuple[Any, ...]]:
    """Return when an option of an augmentation is searched: where the list has it; RangeError if it never has."""
    label = path.removeprefix(f"{LIST}.").partition(".")[0]
    if lists is None:
        if label in labels_of(entry.train.augment.then):
            return {}
        raise RangeError(f"{LIST} of {entry.name} has no {label}, so its options cannot be searched")
    having = tuple(text for text in lists.values if label in labels_of(text))
    if not having:
        raise RangeError(f"no list that is searched for {LIST} has {label}")
    return {LIST: having}


def own_values(dimensions: tuple[Dimension, ...], raw: RawEntry, entry: Entry) -> Iterator[tuple[str, Any]]:
    """Yield the values that an entry has for searched lists and options of their augmentations."""
    own = labels_of(entry.train.augment.then)
    for dimension in dimensions:
        if dimension.path == LIST and isinstance(dimension.mark, Choice):
            for text in dimension.mark.values:
                if [resolve_augment(raw, item) for item in parse_items(text)] == list(own.values()):
                    yield LIST, text
        elif dimension.path.startswith(f"{LIST}."):
            label, *keys = dimension.path.removeprefix(f"{LIST}.").split(".")
            spec, value = spec_of_label(label), own.get(label)
            found: Any = spec.model_construct().model_dump(mode="json") if value is None and spec else value
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            yield dimension.path, found


def open_list(sections: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the list into a mapping where single options of it are sampled; return the values still to be set."""
    if not any(path.startswith(f"{LIST}.") for path in config):
        return dict(config)
    augment = sections["train"]["augment"]
    augment["then"] = as_mapping(config.get(LIST, augment.get("then")))
    return {path: value for path, value in config.items() if path != LIST}
