"""`zoo explain`: heat maps of where a classifier sees its most probable classes."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, OUT, PICTURES, RUN
from zoo.cli.views.inline import show_inline
from zoo.cli.views.pages import check_out, report_skipped, save_numbered


@click.command("explain", cls=Command)
@RUN
@PICTURES
@click.option(
    "--top",
    type=click.IntRange(1, 8),
    default=2,
    metavar="N",
    help="Explain the N most probable classes.",
    show_default=True,
)
@OUT
@DEVICE
@click.pass_obj
def explain_command(
    screen: Screen, /, run: str, pictures: tuple[str, ...], top: int, out: str | None, device: str
) -> int:
    """Show where in pictures a classifier sees its most probable classes, as heat maps on one page.

    A picture may also be test:12, that picture of the test split. RUN is a run folder, or an entry (its newest finished
    run).
    """
    from zoo.evaluation.explain import explain
    from zoo.runs.find import load

    check_out(out)
    opened = load(run, pictures=pictures)
    found = explain(opened, pictures, top=top, device=device)
    page = ""
    if len(found):
        if out is None:
            page = str(save_numbered(found, opened.results / "explanations"))
        else:
            found.save(page := out)
    if screen.json:
        screen.document({"grid": page or None} | found.to_dict())
    elif page:
        rows = [
            (path, each.label, f"{each.probability:.4f}")
            for path, best in zip(found.predictions.paths, found.classes, strict=True)
            for each in best
        ]
        screen.table(["picture", "class", "probability"], rows, right=[2])
        screen.note(f"wrote {Path(page)}")
        show_inline(screen, page)
    return report_skipped(screen, found.skipped, pictures, done=len(found) > 0)
