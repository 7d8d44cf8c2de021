"""`zoo sample`, `zoo reconstruct` and `zoo interpolate`: pages of pictures, and the pictures themselves on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import api
from zoo.cli.group import Command
from zoo.cli.options import DEVICE, RUN
from zoo.cli.screen import Screen, figure
from zoo.errors import DataError, ResourceError, ZooError
from zoo.files import check_name, remove

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.generation import Interpolation, Reconstruction, Samples

    Made = Samples | Reconstruction | Interpolation

OUT = click.option("-o", "--out", metavar="FILE.png", help="Where to write the page; by default in the run folder.")
TENSORS = click.option("--tensors", metavar="FILE", help="Also write the pictures as float32 safetensors.")
SEPARATE = click.option("--separate", is_flag=True, help="Also write each picture as a PNG file, as large as it is.")


@click.command("sample", cls=Command)
@RUN
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help="Pictures; 64, or a few more for equal rows.")
@click.option("--label", "labels", multiple=True, metavar="CLASS", help="Draw this class; may be given several times.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="The same seed gives the same pictures.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    metavar="T",
    help="Below 1: likelier and less varied.",
)
@OUT
@TENSORS
@SEPARATE
@DEVICE
@click.pass_obj
def sample_command(
    screen: Screen, /, run: str, count: int | None, out: str | None, tensors: str | None, separate: bool, **options: Any
) -> None:
    """Pictures drawn from a generator, on one page; one row per class where its prior takes classes.

    RUN is a run folder, or an entry for its newest finished run.
    """
    check_out(out)
    path = api.load(run).path
    found = api.sample(path, count, **options)
    written = keep(found, path / "samples", out, tensors, separate)
    about = {"run": str(path), **written, "pictures": len(found.pictures), "labels": list(found.labels)}
    show(screen, about | {"seed": options["seed"], "temperature": options["temperature"]})


@click.command("reconstruct", cls=Command)
@RUN
@click.argument("pictures", metavar="[PICTURE|FOLDER]...", nargs=-1)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    default=32,
    metavar="N",
    help="Pictures of the test split, where none are named.",
    show_default=True,
)
@OUT
@TENSORS
@SEPARATE
@DEVICE
@click.pass_obj
def reconstruct_command(
    screen: Screen,
    /,
    run: str,
    pictures: tuple[str, ...],
    count: int,
    device: str,
    out: str | None,
    **files: Any,
) -> int:
    """Pictures above what a generator makes of their codes, and how far apart they are.

    Without pictures the first of the test split are taken. RUN is a run folder, or an entry for its newest finished
    run.
    """
    check_out(out)
    path = api.load(run).path
    found = api.reconstruct(path, pictures, count, device)
    done = len(found.pictures) > 0
    written = keep(found, path / "reconstructions", out, **files) if done else {"grid": None, "files": []}
    about = {"run": str(path), **written, "pictures": len(found.pictures), "psnr": found.psnr, "mse": found.mse}
    show(screen, about | {"skipped": [row._asdict() for row in found.skipped]}, ("psnr", "mse"))
    for row in found.skipped:
        screen.note(f"skipped {row.path}: {row.reason}")
    if not done:
        screen.note("error: none of the pictures could be read")
    return 0 if done else DataError.code


@click.command("interpolate", cls=Command)
@RUN
@click.argument("start", metavar="A")
@click.argument("goal", metavar="B")
@click.option("--steps", type=click.IntRange(2), default=9, metavar="N", help="Pictures in the row.", show_default=True)
@OUT
@TENSORS
@SEPARATE
@DEVICE
@click.pass_obj
def interpolate_command(
    screen: Screen, /, run: str, start: str, goal: str, steps: int, device: str, out: str | None, **files: Any
) -> None:
    """Pictures on the straight line between the codes of A and B, in one row.

    A and B are picture files, or test:12 for that picture of the test split. The line goes from mean to mean of their
    codes, whatever the prior. RUN is a run folder, or an entry for its newest finished run.
    """
    check_out(out)
    path = api.load(run).path
    found = api.interpolate(path, start, goal, steps, device)
    written = keep(found, path / "interpolations", out, **files)
    show(screen, {"run": str(path), **written, "pictures": len(found.pictures), "ends": list(found.names)})


def show(screen: Screen, about: dict[str, Any], figures: tuple[str, ...] = ()) -> None:
    """What was made and where it lies."""
    if screen.json:
        return screen.document(about)
    if not about["grid"]:
        return None
    count = about["pictures"]
    screen.line(f"{about['grid']}: {count} picture{'s' * (count != 1)} by {about['run']}")
    for key in figures:
        screen.line(f"{key}  {figure(about[key])}")
    for path in about["files"][:3]:
        screen.line(path)
    if more := len(about["files"][3:]):
        screen.line(f"and {more} more in {Path(about['files'][-1]).parent}")
    return None


def check_out(out: str | None) -> None:
    """ZooError for a page that is to be something else than a PNG file, before anything is computed."""
    if out is not None and Path(out).suffix.lower() != ".png":
        raise ZooError(f"the page is a PNG file, so -o {out[:80]!r} must end in .png")


def keep(found: Made, folder: Path, out: str | None, tensors: str | None, separate: bool) -> dict[str, Any]:
    """Write the page, and what else was asked for; where it lies, for JSON."""
    files: list[str] = []
    with reserved(folder) if out is None else nullcontext(Path(out)) as path:
        found.save(path)
    if tensors:
        from zoo.tensors import save_tensors

        save_tensors(Path(tensors), tensors_of(found), {"labels": list(getattr(found, "labels", ()))})
        files.append(tensors)
    if separate:
        files += save_each(found.pictures, path.with_suffix(""), getattr(found, "labels", ()))
    return {"grid": str(path), "files": files}


def tensors_of(found: Made) -> dict[str, Tensor]:
    """Pictures float32 (N, C, H, W) by name."""
    originals = getattr(found, "originals", None)
    return {"pictures": found.pictures, **({} if originals is None else {"originals": originals})}


def save_each(pictures: Tensor, folder: Path, labels: tuple[str, ...]) -> list[str]:
    """Write each picture as large as it is; its name has the class, where a file can be called so."""
    from zoo.generation import pixels
    from zoo.grid import plain, save_png

    paths = [folder / f"{file_name(index, labels)}.png" for index in range(len(pictures))]
    for path, picture in zip(paths, pixels(pictures), strict=True):
        save_png(path, plain(picture))
    return [str(path) for path in paths]


def file_name(index: int, labels: tuple[str, ...]) -> str:
    """0001-cat, or 0001 where there is no class or its name is no file name."""
    number = f"{index + 1:04d}"
    try:
        return check_name(f"{number}-{labels[index]}") if labels else number
    except ZooError:
        return number


@contextmanager
def reserved(folder: Path) -> Iterator[Path]:
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
        raise ResourceError(f"cannot write to {folder}: {error.strerror}", "choose another place with -o") from None
