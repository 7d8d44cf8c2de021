"""Pages of pictures: where they are written, under which names, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from zoo.cli.console import Screen
from zoo.core.errors import DataError, ResourceError, ZooError
from zoo.core.files import check_name, remove
from zoo.display.format import format_value

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.runs.inputs import Skipped


OUT = click.option("-o", "--out", metavar="FILE.png", help="Where to write the page; default in the run folder.")
TENSORS = click.option("--tensors", metavar="FILE", help="Also write the pictures as float32 safetensors.")
SEPARATE = click.option("--separate", is_flag=True, help="Also write each picture as a PNG file at its own size.")
NOT_WRITTEN: dict[str, Any] = {"grid": None, "files": []}
"""What `keep` returns, for when there is no page to write."""


class Page(Protocol):
    """What is on a page."""

    @property
    def pictures(self) -> Tensor:
        """float32 (N, C, H, W), values 0..1."""
        ...

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""


def show(screen: Screen, about: dict[str, Any], figures: tuple[str, ...] = ()) -> None:
    """What was made and where it lies."""
    if screen.json:
        return screen.document(about)
    if not about["grid"]:
        return None
    count = about["pictures"]
    screen.line(f"{about['grid']}: {count} picture{'s' * (count != 1)} from {about['run']}")
    for key in figures:
        screen.line(f"{key}  {format_value(about[key])}")
    for path in about["files"][:3]:
        screen.line(path)
    if more := len(about["files"][3:]):
        screen.line(f"and {more} more in {Path(about['files'][-1]).parent}")
    return None


def check_out(out: str | None) -> None:
    """ZooError for a page that is to be something else than a PNG file, before anything is computed."""
    if out is not None and Path(out).suffix.lower() != ".png":
        raise ZooError(f"the page is a PNG file, so the name {out[:80]!r} given by -o must end in .png")


def keep(found: Page, folder: Path, out: str | None, tensors: str | None, separate: bool) -> dict[str, Any]:
    """Write the page, and what else was asked for; where it lies, for JSON."""
    files: list[str] = []
    with reserve_path(folder) if out is None else nullcontext(Path(out)) as path:
        found.save(path)
    if tensors:
        from zoo.core.tensor_files import save_tensors

        save_tensors(Path(tensors), tensors_of(found), {"labels": list(getattr(found, "labels", ()))})
        files.append(tensors)
    if separate:
        files += save_each(found.pictures, path.with_suffix(""), getattr(found, "labels", ()))
    return {"grid": str(path), "files": files}


def tensors_of(found: Page) -> dict[str, Tensor]:
    """Pictures float32 (N, C, H, W) by name."""
    originals = getattr(found, "originals", None)
    return {"pictures": found.pictures, **({} if originals is None else {"originals": originals})}


def save_each(pictures: Tensor, folder: Path, labels: tuple[str, ...]) -> list[str]:
    """Write each picture as large as it is; its name has the class, where a file can be called so."""
    from zoo.display.grid import save_png, to_image, to_uint8

    paths = [folder / f"{file_name(index, labels)}.png" for index in range(len(pictures))]
    for path, picture in zip(paths, to_uint8(pictures), strict=True):
        save_png(path, to_image(picture))
    return [str(path) for path in paths]


def file_name(index: int, labels: tuple[str, ...]) -> str:
    """0001-cat, 0001-cat-truck of the prompt "cat + truck", or 0001 where there is none that makes a file name."""
    number = f"{index + 1:04d}"
    try:
        return check_name("-".join([number, *re.findall(r"[\w.]+", labels[index])])) if labels else number
    except ZooError:
        return number


def report_skipped(screen: Screen, skipped: list[Skipped], *, done: bool) -> int:
    """Report the pictures that could not be read, and return the exit code."""
    for row in skipped:
        screen.note(f"skipped {row.path}: {row.reason}")
    if not done:
        screen.note("error: none of the pictures could be read")
    return 0 if done else DataError.code


@contextmanager
def reserve_path(folder: Path) -> Iterator[Path]:
    """The next free number in a folder, which no other process takes meanwhile; given back if the block fails."""
    path = next_free(folder)
    try:
        yield path
    except BaseException:
        remove(path)
        raise


def next_free(folder: Path) -> Path:
    """Make an empty file 0001.png, or the number after the highest that is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            taken = [int(file.name[:4]) for file in folder.iterdir() if file.name[:4].isdecimal()]
            path = folder / f"{max(taken, default=0) + 1:04d}.png"
            try:
                path.open("x").close()
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise ResourceError(f"cannot write to {folder}: {error.strerror}", "choose another path with -o") from None
