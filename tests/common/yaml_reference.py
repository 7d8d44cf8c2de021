"""What a registry says, read with the YAML library alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fuzzrun import ANY, Answer, plain_text
from ruamel.yaml import YAML


def read_plainly(place: Path) -> Any:
    """The content of the registry; ANY if the library cannot read it."""
    try:
        found = YAML(typ="safe", pure=True).load(plain_text(place / "mine.yaml"))
    except Exception:  # of any kind; the library's are not documented
        return ANY
    return found if isinstance(found, dict) else ANY


def listed_entries(found: Answer) -> Any:
    """Names and summaries in a listing, of entries that are not the zoo's own."""
    about = json.loads(found.out)
    own = {each["name"]: each.get("summary") for each in about["entries"] if each["name"] in ("mine", "other")}
    return ANY if about["problems"] else own


def expected_entries(place: Path) -> Any:
    """The same from the file."""
    found = read_plainly(place)
    entries = found.get("entries") if isinstance(found, dict) else None
    if not isinstance(entries, dict):
        return ANY
    return {name: ANY for name in ("mine", "other") if name in entries}


def shown_entry(found: Answer) -> Any:
    """What the file sets of an entry."""
    spec = json.loads(found.out)["spec"]
    return {"lr": spec["train"]["lr"], "epochs": spec["train"]["epochs"], "first": spec["model"].get("first")}


def expected_entry(place: Path) -> Any:
    """The same from the file, as far as it is there."""
    found = read_plainly(place)
    try:
        mine, other = found["entries"]["mine"], found["entries"]["other"]
        if other["extends"] != "mine" or mine["extends"] != "cnn":
            return ANY
        values = {key: {**mine.get(key, {}), **other.get(key, {})} for key in ("model", "train")}
        wanted = {"lr": values["train"]["lr"], "epochs": values["train"]["epochs"], "first": values["model"]["first"]}
    except (LookupError, TypeError, AttributeError):
        return ANY
    return {key: value if type(value) in (int, float) else ANY for key, value in wanted.items()}
