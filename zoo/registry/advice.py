"""Advice on a mistyped option: what it may have meant, by the names of the entry's options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from zoo.core.errors import ZooError
from zoo.core.sections import DataSpec, PictureSpec, TrainSpec, TuneSpec
from zoo.core.spec import options
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
    "val": "valid",
    "validation": "valid",
    "val_split": "valid",
    "n_trials": "trials",
    "num_trials": "trials",
    "metric": "objective",
    "fp16": "precision",
    "amp": "precision",
}
"""What other tools call options of the zoo."""
MAX_MEANT = 4
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
    meant = meant_options(key.rpartition(".")[2], option_names(raw))
    advice = did_you_mean_options(meant, value.strip())
    return f"{advice} {see[:1].upper()}{see[1:]}"[:200] if advice else see


def advise_on_word(raw: RawEntry, text: str) -> str:
    """Return what a word may mean that is no KEY=VALUE."""
    names = option_names(raw)
    word = text.strip().strip("\u201c\u201d\u2018\u2019\"'")
    key, colon, value = word.partition(":")
    if text[:1] in "\u2013\u2014":
        return f"it begins with a long dash; write --{text.lstrip(chr(0x2013) + chr(0x2014))}"
    if word in names:
        return f"write {word}=VALUE, without spaces around ="
    if colon and (meant := [name for name in names if name == key] or meant_options(key, names)[:1]):
        return did_you_mean_options(meant, value.strip())
    if exists(text):
        return f"for these pictures give --data {text} (data={text!r} in Python)"
    if meant := meant_options(word, names):
        return did_you_mean_options(meant, "VALUE")
    return f"see all options with: zoo show {raw.name} --options"


def exists(text: str) -> bool:
    """Return whether a text is the path of something."""
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def advise_on_option(raw: RawEntry, path: tuple[str, ...], value: Any) -> str:
    """Return an option of another section that has the name of an unknown one, e.g. `train.lr` for `model.lr`."""
    names = [name for name in option_names(raw) if not name.startswith(f"{path[0]}.")]
    asked = path[-1].replace("-", "_").lower()
    same = [name for name in names if name.rpartition(".")[2] in (asked, OTHER_NAMES.get(asked))]
    return did_you_mean_options(same[:MAX_MEANT], "" if isinstance(value, dict | list) else str(value))
