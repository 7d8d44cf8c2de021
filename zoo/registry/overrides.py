"""Options given as `key=value`, laid over an entry so that each of them takes effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from zoo.core.augment_list import as_mapping
from zoo.core.errors import ZooError
from zoo.core.sections import StageSpec
from zoo.core.yaml import MAX_DEPTH, parse_value
from zoo.registry.advice import advise_on_key, advise_on_word
from zoo.registry.augments import THEN
from zoo.registry.raw_entry import (
    DEFAULT_DATA,
    SECTION_PREFIXES,
    SECTIONS,
    Locations,
    RawEntry,
    deep_merge,
    option_of,
    overlay,
)

COMMAND_LINE = "command line"
"""Where an option comes from that is no line of a file."""
Keys = tuple[str, ...]


def apply_overrides(raw: RawEntry, texts: Iterable[str]) -> RawEntry:
    """Apply `key=value` overrides to an entry; for the same key the last one wins.

    An option of `train` also applies to the stages that have a value of their own in the entry.
    """
    typed: dict[str, Any] = {}
    names: set[str] = set()
    where: Locations = {}
    base = raw.data
    for text in texts:
        path, value = read_override(raw, text)
        names.add(".".join(path))
        where |= {path[:depth]: COMMAND_LINE for depth in range(1, len(path) + 1)}
        if path[:3] == THEN:
            base, typed, value = with_open_list(base, path), with_open_list(typed, path), open_items(path, value)
        base = without(base, path) if value == {} else base
        typed = deep_merge(without(typed, path) if value == {} else typed, nest(path, value))
    if not typed:
        return raw
    refuse_epochs_with_minutes(typed)
    base = make_way(base, typed)
    other = names_other_pictures(raw.data.get("data"), typed.get("data"))
    return overlay(replace(raw, data=base), RawEntry(raw.name, typed, where, raw.layer, frozenset(names), other))


def with_open_list(data: dict[str, Any], path: Keys) -> dict[str, Any]:
    """Return options with the list of augmentations as a mapping, over which one is laid; without a replaced list."""
    if path == THEN:
        return without(data, path)
    train = data.get("train")
    augment = train.get("augment") if isinstance(train, dict) else None
    if not isinstance(train, dict) or not isinstance(augment, dict) or "then" not in augment:
        return data
    return {**data, "train": {**train, "augment": {**augment, "then": open_items(THEN, augment["then"])}}}


def open_items(path: Keys, value: Any) -> Any:
    """Convert a list of augmentations to a mapping; what is no list stays, for the validation to refuse it."""
    if path != THEN:
        return value
    try:
        return as_mapping(value)
    except ValueError:
        return value


def names_other_pictures(own: Any, over: Any) -> bool:
    """Return whether overrides name another kind or path of data than the entry."""
    if not isinstance(over, dict):
        return False
    own = DEFAULT_DATA | (own if isinstance(own, dict) else {})
    return any(key in over and over[key] != own.get(key) for key in ("kind", "path"))


def read_override(raw: RawEntry, text: str) -> tuple[Keys, Any]:
    """Parse an override such as `model.latent=32` into its path and value."""
    if not isinstance(text, str):
        raise ZooError(f"{text!r:.80} is not a string", "options must be strings like 'train.epochs=10'")
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path) or len(path) > MAX_DEPTH:
        raise ZooError(f"{text[:80]!r} is not of the form key=value, e.g. train.epochs=10", advise_on_word(raw, text))
    if path[-1] == "epochs" and value.strip().startswith("+"):
        hint = f"use zoo train NAME train.epochs={value.strip()}, or a number without the plus"
        raise ZooError(f"{text[:80]}: only zoo train goes on with a finished run, by train.epochs=+N", hint)
    if path[0] not in SECTIONS:
        text = f"{key[:80]!r} is not an option of {raw.name}: options begin with {SECTION_PREFIXES}"
        raise ZooError(text, advise_on_key(raw, key.strip(), value))
    if len(path) < 2:
        hint = f"set one of its options, with {key}.NAME=VALUE"
        if key in ("data", "model", "prior", "text") and value.strip():
            hint = f"did you mean {'--data ' + value.strip() if key == 'data' else f'{key}.kind={value.strip()}'}?"
        raise ZooError(f"{key!r} is a section, not an option", hint)
    if not value.strip():
        raise ZooError(f"{key} has no value", f"write {key}=VALUE without spaces, or {key}='\"\"' for an empty text")
    return path, parse_value(value, key)


def nest(path: Keys, value: Any) -> dict[str, Any]:
    """Return nested mappings with a value at a path."""
    for part in reversed(path):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def without(data: dict[str, Any], path: Keys) -> dict[str, Any]:
    """Return nested mappings without the value at a path."""
    first, *rest = path
    below = data.get(first)
    if not rest:
        return {key: value for key, value in data.items() if key != first}
    return {**data, first: without(below, tuple(rest))} if isinstance(below, dict) else data


def with_option(flag: str, given: object, key: str, overrides: Iterable[str]) -> list[str]:
    """Return overrides with the value of a flag added.

    Raises ZooError if they set the same option to another value.
    """
    words = list(overrides)
    if given is None:
        return words
    for word in words:
        if option_of(word) == key and word != f"{key}={given}":
            raise ZooError(f"{flag} {given} and {word} set the same option", "give one of them")
    return [*words, f"{key}={given}"]


def refuse_without_effect(overrides: Iterable[str], sections: Iterable[str], what: str, hint: str) -> None:
    """Raise ZooError for an override of one of these sections, which have no effect on `what`."""
    for word in overrides:
        key = option_of(word)
        if key.partition(".")[0] in sections:
            raise ZooError(f"{key} has no effect on {what}", hint)


def refuse_epochs_with_minutes(typed: Mapping[str, Any]) -> None:
    """Raise ZooError for a length in epochs beside one in minutes, which the stages would share evenly anyway."""
    train = typed.get("train", {})
    if train.get("minutes") is not None and "epochs" in train and "stages" not in train:
        raise ZooError("train.epochs has no effect beside train.minutes", "give one of them")
    stages = train.get("stages")
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if isinstance(stage, dict) and stage.get("minutes") is not None and "epochs" in stage:
            key = f"train.stages.{name}"
            raise ZooError(f"{key}.epochs has no effect beside {key}.minutes", "give one of them")


def make_way(base: dict[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an entry without those that would keep typed ones from taking effect.

    Those are the values and search ranges that single stages have of an option of `train`, typed or to be searched, and
    minutes where epochs are typed.
    """
    train, tune = typed.get("train", {}), typed.get("tune", {})
    ranges = {key: mark for key, mark in search_ranges(tune.get("space")) if mark is not None}
    set_here = train.keys() & StageSpec.model_fields.keys()
    searched = {key.removeprefix("train.") for key in ranges} & StageSpec.model_fields.keys()
    for name in set_here | searched:
        if name != "minutes" or (name in train and train[name] is None):
            base = without_in_stages(base, name)
    if "epochs" in set_here | searched:
        base = without_in_stages(without(base, ("train", "minutes")), "minutes")
    for name, stage in stages_of(typed):
        if isinstance(stage, dict) and "epochs" in stage:
            base = without(base, ("train", "stages", name, "minutes"))
    for name in set_here:
        base = without_range(base, name)
    return base


def without_in_stages(base: dict[str, Any], option: str) -> dict[str, Any]:
    """Return the options of an entry without what its stages set for one option."""
    for name, _ in stages_of(base):
        base = without(base, ("train", "stages", name, option))
    return base


def stages_of(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the stages that `train.stages` names, with their options."""
    train = data.get("train")
    stages = train.get("stages") if isinstance(train, dict) else None
    return list(stages.items()) if isinstance(stages, dict) else []


def without_range(base: dict[str, Any], option: str) -> dict[str, Any]:
    """Return the options of an entry without the search ranges of one option in single stages."""
    space = base.get("tune", {}).get("space") if isinstance(base.get("tune"), dict) else None
    if not isinstance(space, dict):
        return base
    return base | {"tune": base["tune"] | {"space": drop_stage_ranges(space, option, ())}}


def drop_stage_ranges(space: dict[str, Any], option: str, keys: Keys) -> dict[str, Any]:
    """Return search ranges, nested or under dotted keys, without those of `train.stages.*.option`."""
    kept = {}
    for key, value in space.items():
        path = (*keys, *key.split("."))
        if len(path) == 4 and path[:2] == ("train", "stages") and path[3] == option:
            continue
        inside = isinstance(value, dict) and len(path) < 4 and path == ("train", "stages", *path[2:])[: len(path)]
        kept[key] = drop_stage_ranges(value, option, path) if inside else value
    return kept


def search_ranges(space: Any, keys: Keys = ()) -> Iterator[tuple[str, Any]]:
    """Yield the options of `train` that a search space names, nested or under dotted keys."""
    for key, value in space.items() if isinstance(space, dict) else ():
        path = (*keys, *str(key).split("."))
        if path == ("train",):
            yield from search_ranges(value, path)
        elif path[0] == "train":
            yield ".".join(path), value
