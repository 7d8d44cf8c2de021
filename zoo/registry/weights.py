"""Trained weights that packages ship: what they are of, what they were trained on, and where their file lies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Any

from zoo.core.files import LEGAL_NAME

INDEX_FILE = "index.json"
INDEX_VERSION = 1
MAX_BYTES = 4_000_000_000
"""Largest bundle that is opened or downloaded, in bytes."""
ADDRESS = re.compile(r"(https://|http://(127\.0\.0\.1|localhost)[:/])\S{1,2000}")
"""An address from which weights are downloaded: encrypted, or of this machine."""


@dataclass(frozen=True)
class Weights:
    """Trained weights of an entry, as the hook `zoo_weights` yields them.

    Commands take them by the name ENTRY@DATA, or by the name of the entry if there is no run of one's own.

    Args:
        entry: The name of the entry.
        of: The hash of the entry that they were trained with, as `zoo show` prints it; they are stale if it differs.
        data: What the pictures that they were trained on are called, usually a data kind, e.g. "cifar10".
        file: The bundle, a .zip file that `zoo push` wrote: inside the package, or an https address.
        sha256: SHA-256 of that file.
        size: Its size in bytes.
        license: License of the weights, e.g. "MIT".
        source: Where the pictures come from, and whatever else one should know of them.
        parameters: Number of parameters of the model.
        shape: Channels, height and width of the pictures.
        classes: Class names of the pictures.
        pictures: SHA-256 of the pictures of each split, by which a judge for the same pictures is found.
        metrics: Some figures on the test split.

    Raises:
        ValueError: If one of the values cannot be right.

    Example:
        >>> from zoo import Weights
        >>> address = "https://example.org/cnn-flowers.zip"
        >>> weights = Weights("cnn", "3f2a9c1b", "flowers", address, sha256="0" * 64, size=1000)
        >>> weights.name
        'cnn@flowers'
    """

    entry: str
    of: str
    data: str
    file: Traversable | str
    sha256: str
    size: int
    license: str = ""
    source: str = ""
    parameters: int | None = None
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for a value that cannot be right."""
        checks = {
            "entry": is_name(self.entry),
            "data": is_name(self.data),
            "of": is_hex(self.of, 8),
            "sha256": is_hex(self.sha256, 64),
            "size": type(self.size) is int and 0 < self.size <= MAX_BYTES,
            "file": ADDRESS.fullmatch(self.file) if isinstance(self.file, str) else isinstance(self.file, Traversable),
            "license": isinstance(self.license, str),
            "source": isinstance(self.source, str),
            "parameters": self.parameters is None or type(self.parameters) is int,
            "shape": isinstance(self.shape, tuple) and all(type(size) is int for size in self.shape),
            "classes": isinstance(self.classes, tuple) and all(isinstance(name, str) for name in self.classes),
            "pictures": isinstance(self.pictures, Mapping) and all(is_hex(x, 64) for x in self.pictures.values()),
            "metrics": isinstance(self.metrics, Mapping)
            and all(type(value) in (int, float) for value in self.metrics.values()),
        }
        for name, right in checks.items():
            if not right:
                raise ValueError(f"{name} of weights {self.entry!r:.40} cannot be {getattr(self, name)!r:.80}")

    @property
    def name(self) -> str:
        """The name by which commands take them, e.g. `cnn@cifar10`.

        Example:
            >>> from zoo import Weights
            >>> Weights("vae", "3f2a9c1b", "digits", "https://example.org/a.zip", sha256="0" * 64, size=9).name
            'vae@digits'
        """
        return f"{self.entry}@{self.data}"

    @classmethod
    def read_index(cls, folder: Traversable) -> list[Weights]:
        """Read the weights that the file `index.json` of a package lists; nothing else is opened.

        Args:
            folder: The folder with `index.json`, usually `importlib.resources.files(__name__)`; paths in the index
                begin there.

        Returns:
            The weights, in the order of the index; none where there is no index yet, which the first push creates.

        Raises:
            ValueError: If the index is not what `zoo push` writes.

        Example:
            >>> from pathlib import Path
            >>> from tempfile import TemporaryDirectory
            >>> from zoo import Weights
            >>> with TemporaryDirectory() as folder:
            ...     size = Path(folder, "index.json").write_text('{"version": 1, "weights": []}')
            ...     Weights.read_index(Path(folder))
            []
        """
        try:
            found = json.loads(folder.joinpath(INDEX_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        if not isinstance(found, dict) or found.get("version") != INDEX_VERSION:
            raise ValueError(f"{INDEX_FILE} needs `version: {INDEX_VERSION}`; a newer zoo may be needed")
        return [cls.from_json(row, folder) for row in found["weights"]]

    @classmethod
    def from_json(cls, row: Mapping[str, Any], folder: Traversable) -> Weights:
        """Make weights of a row of an index; paths begin at the folder."""
        lists = {key: tuple(row[key]) for key in ("shape", "classes") if key in row}
        return cls(**(dict(row) | lists | {"file": located(row["file"], folder)}))

    def to_json(self, file: str = "") -> dict[str, Any]:
        """Return the row of an index, or with no `file` what `zoo show --json` prints."""
        row = {each.name: getattr(self, each.name) for each in fields(self)} | {"file": file or str(self.file)}
        lists = {key: list(row[key]) for key in ("shape", "classes")}
        return row | lists | {key: dict(row[key]) for key in ("pictures", "metrics")}


def located(file: str, folder: Traversable) -> Traversable | str:
    """Return the file of a row of an index, below the folder of the index, or the address as it is."""
    if ADDRESS.fullmatch(file):
        return file
    parts = PurePosixPath(file).parts
    if not parts or file.startswith("/") or "\\" in file or ":" in file or ".." in parts:
        raise ValueError(f"{INDEX_FILE} names the file {file!r:.80}, which is not in its folder")
    for part in parts:
        folder = folder.joinpath(part)
    return folder


def is_name(text: object) -> bool:
    """Whether a text can name an entry or data, and part of a file name."""
    return isinstance(text, str) and LEGAL_NAME.fullmatch(text) is not None


def is_hex(text: object, digits: int) -> bool:
    """Whether a text is a hash of so many hexadecimal digits."""
    return isinstance(text, str) and re.fullmatch(rf"[0-9a-f]{{{digits}}}", text) is not None
