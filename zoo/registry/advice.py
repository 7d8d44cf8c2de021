"""Advice on a mistyped option: what it may have meant, by the names of the entry's options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.sections import DataSpec, PictureSpec, TrainSpec, TuneSpec
from zoo.core.spec import describe_type, options
from zoo.core.splits import SPLIT_OF
from zoo.registry.catalog import catalog
from zoo.registry.raw_entry import RawEntry, kind_of

OTHER_NAMES = {
    "learning_rate": "lr",
    "learning-rate": "lr",
    "lr0": "lr",
    "rate": "lr",
    "epoch": "epochs",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "max_epochs": "epochs",
    "batch_size": "batch",
    "bs": "batch",
    "batchsize": "batch",
    "wd": "weight_decay",
    "decay": "weight_decay",
    "optim": "optimizer",
    "opt": "optimizer",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "warmup_steps": "warmup",
    "grad_clip": "clip",
    "clip_grad": "clip",
    "time": "minutes",
    "random_state": "seed",
    "augmentation": "augment.pad",
    "image_size": "size",
    "img_size": "size",
    "imgsz": "size",
    "resize": "size",
    "resolution": "size",
    "dataset": "path",
    "data_dir": "path",
    "root": "path",
    "folder": "path",
    "arch": "architecture",
    "channel": "channels",
    "val_split": "valid",
    "n_trials": "trials",
    "num_trials": "trials",
    "metric": "objective",
    "fp16": "precision",
    "amp": "precision",
    "bf16": "precision",
    **{name: split for name, split in SPLIT_OF.items() if name != split and split in DataSpec.model_fields},
}
"""What other tools call options of the zoo."""
MAX_MEANT = 4
DASHES, QUOTES = "\u2013\u2014", "\u201c\u201d\u2018\u2019\"'"
NEAR_FIELD = 0.6
"""How much an unknown name must resemble one beside it to be taken for it, from 0 to 1."""
CUTOFF = 0.7
"""How much an unknown name must resemble a known one to be taken for it, from 0 to 1."""


def option_names(raw: RawEntry | None) -> list[str]:
    """Return the dotted names of the options that an entry has, as far as its kinds are known."""
    found: list[tuple[str, type[BaseModel]]] = [("train", TrainSpec), ("tune", TuneSpec)]
    if raw is not None:
        found = [*component_specs(raw), *found]
    names = [f"{section}.{option.name}" for section, spec in found for option in options(spec)]
    return list(dict.fromkeys([*names, *kind_names(raw)]))


def component_specs(raw: RawEntry) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the specs of data, model, prior and text of an entry, those of unknown kinds left out."""
    default = {"data": "digits"}
    for section in ("model", "data", "prior", "text"):
        with suppress(ZooError):
            name = kind_of(raw, section) or default.get(section)
            if isinstance(name, str) and name:
                _, kind = catalog().find(section, name)
                default |= {"prior": getattr(kind, "prior", "")} if section == "model" else {}
                default |= {"text": getattr(kind, "text", "")} if section == "prior" else {}
                yield section, kind.spec
                continue
        if section == "data":
            yield section, DataSpec


def kind_names(raw: RawEntry | None) -> list[str]:
    """Return the options that choose the kind of a section, and those of pictures in files."""
    sections = [section for section in ("data", "model", "prior", "text") if raw is None or section in raw.data]
    pictures = [f"data.{name}" for name in PictureSpec.model_fields]
    return [*(f"{section}.kind" for section in sections), "data.path", *pictures]


def meant_options(name: str, known: Iterable[str], *, exact: bool = False) -> list[str]:
    """Return the options that a name without its section may mean; with `exact`, not those that are just similar."""
    names, word = list(known), name.replace("-", "_").lower()
    for asked in dict.fromkeys([word, OTHER_NAMES.get(name, OTHER_NAMES.get(word, word))]):
        if same := [each for each in names if each.partition(".")[2] == asked or each.rpartition(".")[2] == asked]:
            return same[:MAX_MEANT]
        if group := [each for each in names if f".{asked}." in each]:
            return group[:MAX_MEANT]
    if exact:
        return []
    last = {each.rpartition(".")[2]: each for each in reversed(names)}
    return [last[each] for each in get_close_matches(word, last, n=1, cutoff=CUTOFF)]


def did_you_mean_options(meant: Iterable[str], value: str = "") -> str:
    """Ask whether one of some options was meant, with the value that was given."""
    words = [f"{name}={value}" if value else name for name in meant]
    return f"did you mean {' or '.join(words)}?" if words else ""


def advise_on_key(raw: RawEntry, key: str, value: str) -> str:
    """Return what a key without a known section may mean, e.g. `lr=0.1` or `training.lr=0.1`."""
    see = f"see all with: zoo show {raw.name} --options"
    names = option_names(raw)
    meant = [f"tune.{key}"] if key.startswith("space.") else meant_options(key.rpartition(".")[2], names)
    advice = did_you_mean_options(meant, value.strip())
    return f"{advice} {see[:1].upper()}{see[1:]}"[:200] if advice else see


def advise_on_word(raw: RawEntry, text: str) -> str:
    """Return what a word may mean that is no KEY=VALUE."""
    names = option_names(raw)
    key, colon, value = text.strip().strip(QUOTES).partition(":")
    if text[:1] in DASHES:
        return f"it begins with a long dash; write --{text.lstrip(DASHES)}"
    if key in names:
        return f"write {key}={value.strip()}" if colon else f"write {key}=VALUE, without spaces around ="
    if exists(text):
        return f"for these pictures give --data {text} (data={text!r} in Python)"
    if meant := meant_options(key, names):
        return did_you_mean_options(meant, value.strip() or "VALUE")
    return f"see all options with: zoo show {raw.name} --options"


def advise_on_entry(name: str) -> str:
    """Return what a name may mean that is no entry, e.g. pictures or an option that come in its place."""
    if "=" in name:
        return "the entry comes before its options, e.g. cnn train.epochs=10"
    if name in catalog().names("data"):
        return f"that is a kind of data; name an entry first, e.g. cnn --data {name}"
    if exists(str(Path(name) / "run.json")):
        return "that is a run; name its entry, and the folder with --out to go on with it"
    if exists(name):
        return f"to use these pictures name an entry first, e.g. cnn --data {name}"
    return "zoo list shows all entries"


def exists(text: str) -> bool:
    """Return whether a text is the path of something."""
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def advise_on_option(raw: RawEntry, path: tuple[str, ...], fields: Iterable[str], value: Any) -> str:
    """Return what an unknown option may mean: one beside it that is spelt alike, or one of another section."""
    name, section = path[-1], path[0]
    if section == "data" and (name == "path" or name in PictureSpec.model_fields):
        kind = kind_of(raw, "data") or "digits"
        which = value if name == "path" else "FOLDER"
        return f"the data kind {kind} has no {name}; pictures in files do, with --data {which}"
    before = "".join(f"{part}." for part in path[:-1])
    if near := get_close_matches(name, fields := [*fields], n=1, cutoff=NEAR_FIELD):
        return f"did you mean {before + near[0]!r}?"
    asked = name.replace("-", "_").lower()
    found = (OTHER_NAMES.get(name) or OTHER_NAMES.get(asked) or asked, asked)
    names = [f"{before}{field}" for field in fields] + option_names(raw)
    if same := [each for each in names if each.rpartition(".")[2] in found]:
        return did_you_mean_options(same[:1], "" if isinstance(value, dict | list) else str(value))
    listed = did_you_mean(name, fields, before)
    return listed if listed.startswith("known: ") else ""


def advise_on_value(entry: str, path: tuple[str, ...], field: FieldInfo | None, value: Any) -> str:
    """Return how a typed value that its option refuses is to be written.

    Empty if that is not plain.
    """
    kind = describe_type(field) if field is not None else ""
    text = ",".join(map(str, value)) if isinstance(value, list) else value
    return next(likely_values(entry, ".".join(path), kind, text), "") if isinstance(text, str) else ""


def likely_values(entry: str, name: str, kind: str, text: str) -> Iterator[str]:
    """Yield what the value of an option of a type may mean, the likeliest first."""
    if re.search(r"\b[a-z]+\.[a-z_.]+=", text):
        yield "write each option as a word of its own, with a space between them"
    if ".." in text or "|" in text:
        yield f"to search it: zoo tune {entry} 'tune.space.{name}={text}'"
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text) and "number" in kind:
        yield f"write the number with a point: {name}={text.replace(',', '.')}"
    if "," in text:
        yield f"to train with each of them: zoo compare {entry} {name}={text}"
    choices = [part.strip() for part in kind.split("|")]
    yield from (f"did you mean {near!r}?" for near in get_close_matches(text.lower(), choices, n=1, cutoff=NEAR_FIELD))
