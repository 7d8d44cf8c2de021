"""`zoo sample` and `zoo mix`: pages of pictures drawn for prompts."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, GUIDANCE, RUN, TEMPERATURE
from zoo.cli.views.pages import OUT, SEPARATE, TENSORS, check_out, keep, show
from zoo.runs.find import load

SEED = click.option(
    "--seed", type=click.IntRange(0), default=0, metavar="N", help="The same seed gives the same pictures."
)
RULE = click.option(
    "--mix",
    type=click.Choice(["sum", "product"]),
    default="sum",
    help="Whether what the parts of a prompt tell is added, or, where the prior can, densities are multiplied.",
)


@click.command("sample", cls=Command)
@RUN
@click.argument("prompts", metavar="[PROMPT]...", nargs=-1)
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help="Pictures; 64, or a few more for equal rows.")
@SEED
@TEMPERATURE
@GUIDANCE
@RULE
@OUT
@TENSORS
@SEPARATE
@DEVICE
@click.pass_obj
def sample_command(
    screen: Screen,
    /,
    run: str,
    prompts: tuple[str, ...],
    count: int | None,
    out: str | None,
    tensors: str | None,
    separate: bool,
    **options: Any,
) -> None:
    """Pictures drawn from a generator, on one page; one row per prompt, or per class, where its prior takes prompts.

    A PROMPT is a text, as "cat", or several with weights, as "cat + truck", "0.7 cat + 0.3 truck" or "cat - 0.5 dog";
    weights count relative to each other. RUN is a run folder, or an entry for its newest finished run.
    """
    from zoo.generation.sample import sample

    check_out(out)
    path = load(run).path
    found = sample(path, prompts, count, **options)
    written = keep(found, path / "samples", out, tensors, separate)
    about = {"run": str(path), **written, "pictures": len(found.pictures), "labels": list(found.labels)}
    show(screen, about | {key: value for key, value in options.items() if key != "device"})


@click.command("mix", cls=Command)
@RUN
@click.argument("start", metavar="A")
@click.argument("goal", metavar="B")
@click.option("--steps", type=click.IntRange(2), default=9, metavar="N", help="Pictures in a row.", show_default=True)
@click.option("-n", "rows", type=click.IntRange(1), default=8, metavar="N", help="Rows.", show_default=True)
@SEED
@TEMPERATURE
@GUIDANCE
@RULE
@OUT
@TENSORS
@SEPARATE
@DEVICE
@click.pass_obj
def mix_command(
    screen: Screen,
    /,
    run: str,
    start: str,
    goal: str,
    out: str | None,
    tensors: str | None,
    separate: bool,
    **options: Any,
) -> None:
    """Pictures from prompt A to prompt B in even steps; in each row the same noise under other weights.

    RUN is a run folder, or an entry for its newest finished run.
    """
    from zoo.generation.sample import mix

    check_out(out)
    path = load(run).path
    found = mix(path, start, goal, **options)
    written = keep(found, path / "mixes", out, tensors, separate)
    about = {"run": str(path), **written, "pictures": len(found.pictures), "ends": list(found.ends)}
    show(screen, about | {key: value for key, value in options.items() if key != "device"})
