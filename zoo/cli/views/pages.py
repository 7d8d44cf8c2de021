"""Pages of pictures: write them with their files, and print where they are."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo.cli.console import Screen
from zoo.cli.views.inline import show_inline
from zoo.core.errors import DataError, ResourceError, ZooError
from zoo.core.files import check_name, remove, replace
from zoo.core.notes import note
from zoo.core.temporary import create_temporary
from zoo.core.trust import refuse_link
from zoo.display.format import format_value
from zoo.runs.lock import lock_file

PAGE_NUMBER = re.compile(r"[0-9]{4,}(?=[.-]|$)")
"""The number with which the name of a page begins."""

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.runs.inputs import Skipped


NOT_WRITTEN: dict[str, Any] = {"grid": None, "files": []}
"""The value of `write_page` when there is no page to write."""


class Page(Protocol):
    """Pictures that can be saved as one page."""

    @property
    def pictures(self) -> Tensor:
        """float32 (N, C, H, W), values 0..1."""
        ...

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""


def show_page(screen: Screen, about: dict[str, Any], figures: tuple[str, ...] = ()) -> None:
    """Print where a page and its files were written, and the page where the terminal can; or the result as JSON."""
    if screen.json:
        return screen.document(about)
    if not (about["grid"] or about["files"]):
        return None
    count = about["pictures"]
    what = f"{count} picture{'s' * (count != 1)} from {about['run']}"
    screen.line(f"{about['grid']}: {what}" if about["grid"] else what)
    for key in figures:
        screen.line(f"{key}  {format_value(about[key])}")
    for path in about["files"][:3]:
        screen.line(path)
    if more := len(about["files"][3:]):
        screen.line(f"and {more} more in {Path(about['files'][-1]).parent}")
    return show_inline(screen, about["grid"]) if about["grid"] else None


def check_out(out: str | None, what: str = "page", option: str = "-o") -> None:
    """Raise ZooError, before anything is computed, if the picture would not be a PNG file."""
    if out is None:
        return
    if Path(out).suffix.lower() != ".png":
        raise ZooError(f"the {what} is a PNG file, so the name {out[:80]!r} given by {option} must end in .png")
    if os.path.isdir(out):  # noqa: PTH112 - takes any text
        raise ZooError(f"{out[:80]} is a folder", f"name another file with {option}")


def check_distinct(**paths: str | None) -> None:
    """Raise ZooError, before anything is computed, if two options name the same file.

    Args:
        **paths: What each option of this name gives, if anything.
    """
    options: dict[str, str] = {}
    for option, path in paths.items():
        if path is not None and (first := options.setdefault(os.path.realpath(path), option)) != option:
            raise ZooError(f"--{first} and --{option} name the same file {path[:80]!r}", "give each its own")


def write_page(found: Page, folder: Path, out: str | None, tensors: str | None, separate: bool) -> dict[str, Any]:
    """Write the page and the optional files; return their paths for JSON.

    Pictures that are neither grey nor RGB are written as tensors only; ZooError if these are not asked for.
    """
    from zoo.display.grid import DRAWN_CHANNELS, check_channels

    channels = found.pictures.shape[1]
    if not tensors:
        check_channels(channels, "write the tensors instead, with --tensors FILE")
    elif channels not in DRAWN_CHANNELS:
        note(f"no page: pictures with {channels} channels cannot be shown as PNG")
        return {"grid": None, "files": [write_tensors(found, tensors)]}
    if out is None:
        path = save_numbered(found, folder)
    else:
        found.save(path := Path(out))
    files = [write_tensors(found, tensors)] if tensors else []
    if separate:
        files += save_separate(found.pictures, path.with_suffix(""), getattr(found, "labels", ()))
    return {"grid": str(path), "files": files}


def write_tensors(found: Page, path: str) -> str:
    """Write the pictures as safetensors with their labels; return the path."""
    from zoo.core.tensor_files import save_tensors

    save_tensors(Path(path), page_tensors(found), {"labels": list(getattr(found, "labels", ()))})
    return path


def page_tensors(found: Page) -> dict[str, Tensor]:
    """Return the pictures float32 (N, C, H, W) by name."""
    originals = getattr(found, "originals", None)
    return {"pictures": found.pictures, **({} if originals is None else {"originals": originals})}


def save_separate(pictures: Tensor, folder: Path, labels: tuple[str, ...]) -> list[str]:
    """Write each picture at its own size.

    The file name has the class if it can be part of one.
    """
    from zoo.display.grid import save_png, to_image, to_uint8

    refuse_link(folder)
    paths = [folder / f"{file_name(index, labels)}.png" for index in range(len(pictures))]
    for path, picture in zip(paths, to_uint8(pictures), strict=True):
        save_png(path, to_image(picture))
    return [str(path) for path in paths]


def file_name(index: int, labels: tuple[str, ...]) -> str:
    """Return 0001-cat, 0001-cat-truck for the prompt "cat + truck", or 0001 without a label fit for a file name."""
    number = f"{index + 1:04d}"
    try:
        return check_name("-".join([number, *re.findall(r"[\w.]+", labels[index])])) if labels else number
    except ZooError:
        return number


def report_skipped(screen: Screen, skipped: list[Skipped], named: Sequence[str], *, done: bool) -> int:
    """Report the pictures that could not be read, and return the exit code.

    It is 3 if none could be read, or if one of those `named` could not; other files in a folder may be anything.
    """
    for row in skipped:
        screen.note(f"skipped {row.path}: {row.reason}")
    if not done:
        screen.note("error: none of the pictures could be read")
        return DataError.code
    paths = {str(Path(name)) for name in named}
    if lost := [row.path for row in skipped if row.path in paths]:
        screen.note(f"error: {lost[0]} could not be read{f', nor could {len(lost) - 1} more' if lost[1:] else ''}")
        return DataError.code
    return 0


def save_numbered(found: Page, folder: Path) -> Path:
    """Write a page as 0001.png, or with the number after the highest one in the folder; return its path.

    The number is taken together with the content, so a killed process leaves no empty page.
    """
    refuse_link(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary, _ = create_temporary(folder / "page.png")
    except OSError as error:
        raise ResourceError(f"cannot write to {folder}: {error.strerror}", "choose another path with -o") from None
    try:
        found.save(temporary)
        return take_number(temporary, folder)
    finally:
        remove(temporary)


def take_number(temporary: Path, folder: Path) -> Path:
    """Give a page the next free number, which another process may take at the same moment."""
    while True:
        taken = [int(number[0]) for file in folder.iterdir() if (number := PAGE_NUMBER.match(file.name))]
        path = folder / f"{max(taken, default=0) + 1:04d}.png"
        try:
            link_new(temporary, path)
        except FileExistsError:
            continue
        return path


def link_new(source: Path, target: Path) -> None:
    """Give a file a second name, or its content if the file system has no links; FileExistsError if that exists."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:
        with lock_file(target):
            if target.exists():
                raise FileExistsError(target) from None
            replace(source, target)
