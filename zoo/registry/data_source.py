"""Data that a user names: a data kind, a folder of pictures or Parquet files, as overrides of an entry."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from zoo.core.errors import DataError, ZooError
from zoo.core.files import expand_user
from zoo.core.notes import note
from zoo.core.walk import format_left_out, picture_files
from zoo.registry.catalog import catalog
from zoo.registry.raw_entry import SECTIONS, option_of

if TYPE_CHECKING:
    from zoo.data.given import GivenArrays

Data: TypeAlias = "str | Path | GivenArrays"
"""A data kind, a path, or pictures and labels as arrays."""
MAX_LISTED_PATHS = 10_000
NEAR = 0.6
"""How much a name must resemble another to be taken for it, from 0 to 1."""
QUALIFIED = re.compile(r"[\w.-]{2,}:[a-z0-9-]+")
"""plugin:kind; a single letter before the colon is a Windows drive."""


def data_overrides(data: Data) -> list[str]:
    """Return the overrides that select a data kind, a path or arrays; DataError if it is none of them."""
    if not isinstance(data, str | Path):
        from zoo.data.given import KIND, keep_arrays

        return [f"data.kind={KIND}", f"data.fingerprint={keep_arrays(data)}"]
    kinds, text = catalog().names("data"), str(data)
    path = expand_user(text)
    if text in kinds or (QUALIFIED.fullmatch(text) and not path.exists()):
        return [f"data.kind={text}"]
    if not path.exists():
        raise DataError(f"{text!r} is neither a data kind nor a path", advise_on_path(text, path, kinds))
    # The run may be read from another working directory.
    whole = str(path.absolute())
    # YAML reads strings quoted as JSON, whatever characters they have.
    return [f"data.kind={data_kind_of(path)}", f"data.path={json.dumps(whole, ensure_ascii=False)}"]


def advise_on_path(text: str, path: Path, kinds: list[str]) -> str:
    """Return what was meant by a path that does not exist: a data kind, or a folder beside it that is spelt alike."""
    here: list[str] = []
    with suppress(OSError):  # what lies beside it is only looked at for the advice
        here = [child.name for child in path.parent.iterdir() if child.is_dir()]
    near = get_close_matches(path.name, [*here, *(kinds if path.name == text else ())], n=1, cutoff=NEAR)
    if near:
        return f"did you mean {str(path.with_name(near[0]) if near[0] in here else near[0])!r}?"
    return f"there is no {path.absolute()}" if path.name != text else f"known: {', '.join(kinds)}"


def data_kind_of(path: Path) -> str:
    """Return the data kind for a path: `folder` or `parquet`."""
    if path.is_file():
        if path.suffix.lower() == ".parquet":
            return "parquet"
        raise DataError(
            f"{path} is a file that does not end in .parquet",
            "for pictures, give a folder with one subfolder per class",
        )
    left_out: Counter[str] = Counter()
    pictures = sum(1 for _ in islice(picture_files(path, left_out, follow_links=2), MAX_LISTED_PATHS))
    if left_out[".parquet files"]:
        if pictures:
            note(f"{path} has .parquet files and pictures; the files are read, and with data.kind=folder the pictures")
        return "parquet"
    if pictures:
        return "folder"
    found = f"; {text}" if (text := format_left_out(+left_out)) else ""
    raise DataError(f"{path} has neither pictures ({path.name}/CLASS/*.png) nor .parquet files{found}")


def with_data(data: Data | None, overrides: Iterable[str]) -> list[str]:
    """Return overrides with those that select the data in front; ZooError if both name data."""
    typed = list(overrides)
    if data is None:
        return typed
    chosen = data_overrides(data)
    for word in typed:
        key = option_of(word)
        # A plugin's own kind may read the path that was named.
        if key == option_of(chosen[-1]) and word != chosen[-1]:
            raise ZooError(f"the data are named twice, as {str(data)!r} and as {word!r}", "give one of them")
    return [*chosen, *typed]


def take_data_word(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Split words of a command into the one that names data, if any, and the others.

    Raises ZooError if several words name data.
    """
    named = [word for word in words if names_data(word)]
    if len(named) > 1:
        raise ZooError(f"the data are named twice, as {named[0]!r} and as {named[1]!r}", "give one of them")
    return (named[0] if named else None), [word for word in words if word not in named]


def names_data(word: str) -> bool:
    """Return whether a word of a command is meant as data: a path or a data kind, not KEY=VALUE."""
    key, equals, _ = word.partition("=")
    if not word.strip() or (equals and key.strip().split(".")[0] in SECTIONS):
        return False
    try:
        exists = Path(word).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown user after ~
        return False
    return exists or (
        not equals and (word[0] in "./~" or "/" in word or "\\" in word or word in catalog().names("data"))
    )
