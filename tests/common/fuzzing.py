"""Mutated inputs: files that a run, study, registry or set of pictures consists of, options and prompts."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, NamedTuple

from zoo.core.files import digest

CODES = {0, 1, 2, 3, 4, 5, 6, 7}
"""Exit codes that a damaged input may end with; 70 is a bug."""
LIMIT = 20.0
"""Seconds after which a command counts as hung: 5 on a free machine."""
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 10**400, 2**63, 1e308, -0.0, "", "x", "\x1b[31m", "../..", "\u202e", [], {}, [[]]),
    *({"": {}}, "9" * 5000, [1, "a", None], {"loss": "x"}, "con", "a\nb", float("nan")),
]
WORDS = [
    *("model.blocks", "model.first", "train.epochs", "train.lr", "data.limit", "data.path", "data.kind", "prior.kind"),
    *("model.kind", "tune.space", "train.stages", "", ".", "model.", "x.y.z", "model.blocks.first", "\x1b[2J"),
]
TEXTS = [
    *(
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "nan",
        "null",
        "[",
        "{",
        "[1, 2]",
        "{a: 1}",
        "&a x",
        "*a",
        "!!python/object:os",
        "%a",
    ),
    *(
        "9" * 5000,
        "a" * 3000,
        "\x00",
        "\x1b]0;x\x07",
        "yes",
        "1..2",
        "4 | 5",
        "../x",
        "~",
        "!",
        "'",
        "\ud800",
        "é",
        "-",
    ),
]
PROMPTS = ["3", "cat", "+", "-", "1.5", "*", "(", "3 + 8", "  ", "\n", "0.5 3", "1e400", "nan 3", "\x1b[2J", "é" * 50]


class Fault(NamedTuple):
    """An input that was not answered as it should be."""

    what: str
    words: list[str]
    why: str


class HungError(BaseException):
    """Raised when a command takes too long."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise HungError in the block after some seconds."""

    def expired(number: int, frame: FrameType | None) -> None:
        raise HungError

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def mutated_bytes(data: bytes, chance: Random) -> bytes:
    """The bytes with a few flips, a cut, an insertion, zeros, or a piece of themselves."""
    for _ in range(chance.choice((1, 1, 2, 8))):
        at, size = chance.randrange(len(data) + 1), chance.choice((1, 4, 40, 400))
        piece = chance.choice((b"", chance.randbytes(size), bytes(size), data[:size], b"\xff\xfe", b"NaN", b"[" * size))
        data = data[:at] + piece + data[at + chance.choice((0, 1, size, 10**9)) :]
    return data


def mutated_value(value: Any, chance: Random) -> Any:
    """The JSON value with one part replaced, removed, added or moved."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        how = chance.random()
        if how < 0.1:
            return {name: part for name, part in value.items() if name != key}
        if how < 0.15:
            return value | {chance.choice(WORDS): chance.choice(VALUES)}
        return value | {key: mutated_value(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        index = chance.randrange(len(value))
        return [*value[:index], mutated_value(value[index], chance), *value[index + 1 :]]
    return chance.choice(VALUES)


def mutate_json(path: Path, chance: Random) -> None:
    """Change a value in a JSON file, and renew its seal, as a hostile author would."""
    value = mutated_value(json.loads(path.read_text(encoding="utf-8")), chance)
    if isinstance(value, dict) and "seal" in value:
        value["seal"] = digest({key: part for key, part in value.items() if key != "seal"})
    path.write_text(json.dumps(value), encoding="utf-8")


def reseal(folder: Path) -> None:
    """Renew the hash of the entry in a run's record, and the record's seal."""
    path = folder / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["entry_sha256"] = digest(json.loads((folder / "entry.json").read_text(encoding="utf-8")))
    record["seal"] = digest({key: part for key, part in record.items() if key != "seal"})
    path.write_text(json.dumps(record), encoding="utf-8")


def replace_by_odd(path: Path, chance: Random) -> None:
    """Put something else in a file's place."""
    path.unlink()
    how = chance.randrange(5)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.mkdir()
    elif how == 2:
        path.symlink_to("nowhere")
    elif how == 3:
        path.symlink_to("/dev/zero")
    else:
        path.touch()


def mutate_file(path: Path, chance: Random) -> str:
    """Change a file somehow; return how."""
    how = chance.random()
    if how < 0.15:
        replace_by_odd(path, chance)
        return "odd"
    if path.suffix == ".json" and how < 0.75:
        mutate_json(path, chance)
        if path.name == "entry.json" and chance.random() < 0.7:
            reseal(path.parent)
            return "resealed"
        return "value"
    path.write_bytes(mutated_bytes(path.read_bytes(), chance))
    return "bytes"


class Template(NamedTuple):
    """A folder whose files are mutated, and the command that reads them."""

    folder: Path
    words: Callable[[Path], list[str]]
    files: list[str]
    sealed: bool = False
    """Whether a file with other bytes may not lead to another result."""


def make_input(template: Template, place: Path, chance: Random) -> tuple[str, list[str]]:
    """Copy a template and mutate one file; return what was done, and the command."""
    remove_all(place)
    shutil.copytree(template.folder, place)
    name = chance.choice(template.files)
    return f"{mutate_file(place / name, chance)} {name}", template.words(place)


def remove_all(place: Path) -> None:
    """Remove a folder that may hold anything."""
    shutil.rmtree(place, ignore_errors=True)
