"""What a training starts from, settled before torch is imported: its entry, and the run whose weights it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from zoo.core.errors import ZooError
from zoo.core.files import expand_user
from zoo.core.notes import note
from zoo.core.yaml import parse_value
from zoo.registry.entry import Entry
from zoo.registry.listing import Paths, load_entry
from zoo.registry.overrides import with_option
from zoo.registry.raw_entry import option_of, typed_options
from zoo.runs.find import load
from zoo.runs.names import find_folder, is_run
from zoo.runs.run import Run

OPTION, TEACHER = "train.init_from", "train.teacher"
COMMIT = re.compile(r"[0-9a-f]{7,40}")
MORE_EPOCHS = re.compile(r"train\.epochs\s*=\s*\+\s*([0-9]{1,6})")


def choose_entry(name: str, words: Iterable[str], init_from: Run | str | Path | None, registries: Paths) -> Entry:
    """Choose the entry to train: that of the registry, or of a finished run that goes on.

    Args:
        name: Name of the entry, or with `train.epochs=+N` the run that goes on.
        words: `key=value` texts.
        init_from: The run to start from; None for random weights, or what `words` say.
        registries: Registry files to read in addition.

    Returns:
        The entry; where it starts from a run folder, `init_from` is its absolute path.

    Raises:
        ZooError: If there is no such entry or run, or an override is wrong.
    """
    words = list(words)
    more = [match for word in words if (match := MORE_EPOCHS.fullmatch(word.strip()))]
    if more:  # the same option given before has no effect, as for any other
        words = [word for word in words if option_of(word) != "train.epochs"]
    if init_from is not None:
        words = with_option("--from", json_text(init_from), OPTION, words)
    if more:
        return go_on(name, int(more[-1][1]), words, registries)
    return load_entry(name, pin_start(words), registries)


def go_on(name: str, epochs: int, words: list[str], registries: Paths) -> Entry:
    """Return the entry of a finished run, for some more epochs from its weights."""
    if registries:
        raise ZooError("registry files have no effect where a run goes on with its own options", "drop --registry")
    words = pin_start(words)
    start = next((read_text(word) for word in words if is_start(word)), name)
    base = load(start)
    if base.state != "done":
        text = f"{base.path} has not finished, so it has no end to go on from"
        raise ZooError(text, f"resume it with: {base.record.get('command', 'zoo train')}")
    if name != base.entry.name and find_folder(name) is None:
        raise ZooError(f"{base.path} is a run of {base.entry.name}, not of {name}", f"use zoo train {base.entry.name}")
    length = f"{epochs} epoch{'s' * (epochs != 1)}"
    kept = "a finished run keeps no state of the optimizer, so that and the schedule begin anew"
    note(f"{base.path} goes on for {length} from its weights; {kept}", usual=True)
    options = {"train.epochs": str(epochs), OPTION: json_text(start), "train.lr_mult": "null"}
    typed = set(typed_options(words))
    added = [f"{key}={value}" for key, value in options.items() if key not in typed]
    return base.with_overrides(pin_start([*words, *added]))


def pin_start(words: Iterable[str]) -> list[str]:
    """Return overrides that name the run to start from, or to learn from, by its absolute path, right from anywhere.

    The name of an entry stays: which run of it was found is recorded with the new run. Raises ZooError if there is no
    such run.
    """
    return [pin_word(word) if option_of(word) in (OPTION, TEACHER) else word for word in words]


def pin_word(word: str) -> str:
    """Return the override of a run with an absolute path."""
    found = read_text(word)
    if found in ("", "None"):
        return word
    path = fetch(found) if is_published(found) else find_folder(found)
    if path is None:
        load(found)
        return word
    return f"{option_of(word)}={json_text(path.absolute())}"


def is_published(text: str) -> bool:
    """Return whether a text names a published run: one on the hub, or a .zip file."""
    return text.startswith("hf:") or (text.lower().endswith(".zip") and expand_user(text).is_file())


def fetch(text: str) -> Path:
    """Fetch a published run into a folder below `runs`, and return it; once fetched, it is used again."""
    from zoo.runs.hub import Address
    from zoo.runs.pull import default_folder, pull

    if text.startswith("hf:"):
        Address.read(text)
    folder = default_folder(text)
    if not is_run(folder):
        run = pull(text)
        note(f"{run.path} was fetched from {text}", usual=True)
        return run.path
    origin = str(Run.open(folder).record.get("origin", "itself"))
    name = text if text.startswith("hf:") else Path(text).name
    if not is_same_origin(origin, name):
        raise ZooError(f"{folder} is a run of {origin}, not of {name}", f"remove or rename it, or use --from {folder}")
    note(f"{folder} was fetched from {origin} before; remove it to fetch it again", usual=True)
    return folder


def is_same_origin(origin: str, name: str) -> bool:
    """Return whether what was fetched from `origin`, on the hub `hf:user/name@COMMIT`, is what a name means.

    A branch or a tag may have moved on; the run that was fetched stays, as the note says.
    """
    (before, _, commit), (asked, _, revision) = origin.partition("@"), name.partition("@")
    moves = name.startswith("hf:") and not COMMIT.fullmatch(revision)
    return origin == name or (before == asked and (moves or commit.startswith(revision)))


def is_start(word: str) -> bool:
    """Return whether an override names the run to start from."""
    return option_of(word) == OPTION


def read_text(word: str) -> str:
    """Return the value of an override as text."""
    key, _, value = word.partition("=")
    return str(parse_value(value, key.strip()))


def json_text(start: Run | str | Path) -> str:
    """Quote the path or the name of a run for an override, whatever characters it has."""
    return json.dumps(str(start.path.absolute() if isinstance(start, Run) else start), ensure_ascii=False)
