"""`zoo reconstruct`, `zoo interpolate`, `zoo edit` and `zoo score`: what a generator makes of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, GUIDANCE, RUN
from zoo.cli.views.pages import OUT, SEPARATE, TENSORS, check_out, keep, leave_out, show
from zoo.runs.find import load

PICTURES = click.argument("pictures", metavar="PICTURE|FOLDER...", nargs=-1, required=True)
NOWHERE: dict[str, Any] = {"grid": None, "files": []}
MOST = 5
"""Texts of each picture that are printed, the likeliest first."""


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

    A picture may also be test:12, for that one of the test split, of which the first are taken without any. RUN is a
    run folder, or an entry for its newest finished run.
    """
    from zoo.generation.reconstruct import reconstruct

    check_out(out)
    path = load(run).path
    found = reconstruct(path, pictures, count, device)
    done = len(found.pictures) > 0
    written = keep(found, path / "reconstructions", out, **files) if done else NOWHERE
    about = {"run": str(path), **written, "pictures": len(found.pictures), "psnr": found.psnr, "mse": found.mse}
    show(screen, about | {"skipped": [row._asdict() for row in found.skipped]}, ("psnr", "mse"))
    return leave_out(screen, found.skipped, done=done)


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
    from zoo.generation.reconstruct import interpolate

    check_out(out)
    path = load(run).path
    found = interpolate(path, start, goal, steps, device)
    written = keep(found, path / "interpolations", out, **files)
    show(screen, {"run": str(path), **written, "pictures": len(found.pictures), "ends": list(found.names)})


@click.command("edit", cls=Command)
@RUN
@PICTURES
@click.option("--to", required=True, metavar="PROMPT", help="What they are to show, as dog or 0.5 cat + 0.5 dog.")
@click.option("--from", "source", metavar="PROMPT", help="What they show now; without it nothing is said of that.")
@click.option(
    "--strength", type=float, default=1.0, metavar="S", help="How far to go; 0 reconstructs.", show_default=True
)
@GUIDANCE
@OUT
@TENSORS
@SEPARATE
@DEVICE
@click.pass_obj
def edit_command(
    screen: Screen,
    /,
    run: str,
    pictures: tuple[str, ...],
    out: str | None,
    tensors: str | None,
    separate: bool,
    **options: Any,
) -> int:
    """Pictures above what becomes of them under another text.

    Their codes go to the base of the flow under one text and back under another, so that what is said by neither
    stays. A picture may also be test:12, for that one of the test split. RUN is a run folder, or an entry for its
    newest finished run.
    """
    from zoo.generation.edit import edit

    check_out(out)
    path = load(run).path
    found = edit(path, pictures, **options)
    done = len(found.pictures) > 0
    written = keep(found, path / "edits", out, tensors, separate) if done else NOWHERE
    about = {"run": str(path), **written, "pictures": len(found.pictures), "names": list(found.names)}
    about |= {"to": options["to"], "from": options["source"]}
    about |= {key: options[key] for key in ("strength", "guidance")}
    show(screen, about | {"skipped": [row._asdict() for row in found.skipped]})
    return leave_out(screen, found.skipped, done=done)


@click.command("score", cls=Command)
@RUN
@PICTURES
@click.option(
    "--text", "texts", multiple=True, metavar="PROMPT", help="Several times for several; by default all classes."
)
@DEVICE
@click.pass_obj
def score_command(screen: Screen, /, run: str, pictures: tuple[str, ...], texts: tuple[str, ...], device: str) -> int:
    """How likely pictures are under each text: log-likelihoods in nats, and what they make of the texts.

    The share of a text is its probability if one of them is right and all were equally likely beforehand. A picture
    may also be test:12, for that one of the test split. RUN is a run folder, or an entry for its newest finished run.
    """
    from zoo.generation.edit import score

    path = load(run).path
    found = score(path, pictures, texts, device)
    rows = list(zip(found.names, found.log_likelihood.tolist(), found.shares.tolist(), strict=True))
    if screen.json:
        scores = [
            {"picture": name, "log_likelihood": by_text(found.texts, each), "share": by_text(found.texts, shares)}
            for name, each, shares in rows
        ]
        screen.document({"run": str(path), "scores": scores, "skipped": [row._asdict() for row in found.skipped]})
    elif rows:
        lines = [
            (name, text, f"{value:.2f}", f"{share:.4f}")
            for name, each, shares in rows
            for share, value, text in sorted(zip(shares, each, found.texts, strict=True), reverse=True)[:MOST]
        ]
        screen.table(["picture", "text", "nats", "share"], lines, right=[2, 3])
    return leave_out(screen, found.skipped, done=bool(rows))


def by_text(texts: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """A number for each text."""
    return dict(zip(texts, values, strict=True))
