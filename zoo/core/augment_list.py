"""The list `train.augment.then`, in the forms in which it is written: a list, a mapping, or one line of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.core.errors import ZooError
from zoo.core.yaml import parse_value

Items = list[dict[str, Any]]
EXAMPLE = "such as mixup p=0.5, trivial-augment"
NOTHING = frozenset({"", "none"})
"""Texts that stand for an empty list."""


def parse_items(value: Any) -> Items:
    """Parse a list of augmentations into mappings with a `kind`; ValueError if it is malformed."""
    if value is None:
        return []
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return [] if parts in ([name] for name in NOTHING) else [parse_text(part) for part in parts]
    if isinstance(value, Mapping):
        return [
            {"kind": key, **options_of(key, body)}
            for key, body in value.items()
            if body is not None and body is not False
        ]
    if isinstance(value, list | tuple):
        return [parse_item(item) for item in value]
    raise ValueError(f"should be a list of augmentations, {EXAMPLE}")


def options_of(key: str, body: Any) -> dict[str, Any]:
    """Return the options that a mapping has for one augmentation; true means the defaults."""
    if body is True:
        return {}
    if not isinstance(body, Mapping):
        raise ValueError(f"{key[:60]} should be a mapping of options, or true")  # noqa: TRY004 - pydantic's convention
    return dict(body)


def parse_item(item: Any) -> dict[str, Any]:
    """Parse one augmentation of a list: a text, or a mapping with a `kind`."""
    if isinstance(item, str):
        return parse_text(item)
    if isinstance(item, Mapping) and isinstance(item.get("kind"), str):
        return dict(item)
    raise ValueError(f"each augmentation should be a name or a mapping with a `kind`, {EXAMPLE}")


def parse_text(text: str) -> dict[str, Any]:
    """Parse `mixup p=0.5 alpha=0.2`: a kind and its options."""
    kind, *words = text.split()[:100] or [""]
    found: dict[str, Any] = {"kind": kind}
    if not kind or "=" in kind:
        raise ValueError(f"{text[:60]!r} names no augmentation; write a list {EXAMPLE}")
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not all(key.split(".")) or not value or key.split(".")[0] == "kind":
            raise ValueError(f"{word[:60]!r} is not an option of {kind[:60]}; write a list {EXAMPLE}")
        *outer, last = key.split(".")
        inside = found
        for part in outer:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                text = f"{part[:60]!r} of {kind[:60]} is given as a value and as options; give one of them"
                raise ValueError(text)  # noqa: TRY004 - pydantic reports no TypeError
        try:
            inside[last] = parse_value(value, key)
        except ZooError as error:
            raise ValueError(str(error)) from None
    return found


def as_mapping(value: Any) -> dict[str, Any]:
    """Convert a list of augmentations to a mapping by their names, so that single options can be laid over it.

    Of several with the same kind all but the first are called `kind-2` and so on.
    """
    found: dict[str, Any] = {}
    for label, item in label_items(parse_items(value)):
        body = {key: part for key, part in item.items() if key != "kind"}
        found[label] = body if label == item["kind"] else {"kind": item["kind"], **body}
    return found


def label_items(items: Items) -> list[tuple[str, dict[str, Any]]]:
    """Name each augmentation of a list by its kind, with a number where a kind is there several times."""
    labels: dict[str, dict[str, Any]] = {}
    for item in items:
        label, number = item["kind"], 2
        while label in labels:
            label, number = f"{item['kind']}-{number}", number + 1
        labels[label] = item
    return list(labels.items())
