"""`zoo score`: how likely pictures are under each text."""

from __future__ import annotations

from collections.abc import Sequence

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, PICTURES, RUN
from zoo.cli.views.pages import report_skipped
from zoo.runs.find import load

PRINTED_TEXTS = 5
"""Number of texts printed per picture, likeliest first."""


@click.command("score", cls=Command)
@RUN
@PICTURES
@click.option(
    "--text", "texts", multiple=True, metavar="PROMPT", help="A text to score; repeatable; default all classes."
)
@DEVICE
@click.pass_obj
def score_command(screen: Screen, /, run: str, pictures: tuple[str, ...], texts: tuple[str, ...], device: str) -> int:
    """Score how likely pictures are under each text.

    The scores are log-likelihoods in nats. A text's share is its probability, assuming that exactly one text is right
    and all are equally likely a priori. A picture may also be test:12, that picture of the test split. RUN is a run
    folder, or an entry (its newest finished run).
    """
    from zoo.generation.edit import score

    opened = load(run, pictures=pictures)
    found = score(opened, pictures, texts, device)
    rows = list(zip(found.names, found.log_likelihood.tolist(), found.shares.tolist(), strict=True))
    if screen.json:
        scores = [
            {"picture": name, "log_likelihood": by_text(found.texts, each), "share": by_text(found.texts, shares)}
            for name, each, shares in rows
        ]
        screen.document({"run": opened.label, "scores": scores, "skipped": [row._asdict() for row in found.skipped]})
    elif rows:
        lines = [
            (name, text, f"{value:.2f}", f"{share:.4f}")
            for name, each, shares in rows
            for share, value, text in sorted(zip(shares, each, found.texts, strict=True), reverse=True)[:PRINTED_TEXTS]
        ]
        screen.table(["picture", "text", "nats", "share"], lines, right=[2, 3])
    return report_skipped(screen, found.skipped, pictures, done=bool(rows))


def by_text(texts: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Map each text to its number."""
    return dict(zip(texts, values, strict=True))
