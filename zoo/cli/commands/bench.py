"""`zoo bench`: the training speed of an entry, or the inference speed of a run, compared with plain PyTorch."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, DEVICE, NAME, OVERRIDES, REGISTRY, read_words, refuse_typed
from zoo.core.errors import ZooError
from zoo.display.format import format_bytes, format_value
from zoo.registry.data_source import with_data

INFERENCE = ("formats", "int8", "threads")
TRAINING = ("data", "stage", "device", "registries")
"""Options that have an effect on one of the two benchmarks only."""
NO_EFFECT = "with --inference, which runs a trained model on the CPU"


@click.command("bench", cls=Command)
@NAME
@OVERRIDES
@DATA
@click.option(
    "--seconds",
    type=click.FloatRange(0.1),
    metavar="N",
    default=20.0,
    help="About how many seconds it takes, compilation apart.",
    show_default=True,
)
@click.option("--stage", metavar="NAME", help="The stage of the training to measure; default the first.")
@click.option("--inference", is_flag=True, help="Measure how fast a run answers on the CPU, rather than training.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["onnx", "pt2"]),
    multiple=True,
    help="With --inference: compare this exported format too; may be repeated.",
)
@click.option("--int8", is_flag=True, help="With --inference: compare ONNX in int8 too.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    help="With --inference: CPU threads to use.",
    show_default=True,
)
@DEVICE
@REGISTRY
@click.pass_obj
def bench_command(
    screen: Screen,
    /,
    name: str,
    overrides: tuple[str, ...],
    data: str | None,
    inference: bool,
    formats: tuple[str, ...],
    int8: bool,
    threads: int,
    **options: Any,
) -> None:
    """Measure an entry's training speed against a plain PyTorch loop of the same model.

    The two loops take turns, so that both see the same load of the machine. With --inference NAME is a run, or an entry
    (its newest finished run): the latency of one picture and the speed of batches are measured, in PyTorch and as
    exported files in turns.
    """
    if inference:
        return bench_inference_of(screen, name, overrides, formats, int8=int8, threads=threads, **options)
    from zoo.training.bench import bench

    for option in INFERENCE:
        refuse_typed(option, "without --inference", "add --inference")
    found = bench(name, *with_data(*read_words(screen, data, overrides)), **options).to_dict()
    if screen.json:
        return screen.document(found)
    rows = [(key.replace("_", " "), format_value(value)) for key, value in found.items()]
    return screen.table(["figure", "value"], rows)


def bench_inference_of(
    screen: Screen, run: str, overrides: tuple[str, ...], formats: tuple[str, ...], seconds: float, **options: Any
) -> None:
    """Measure and show how fast a run answers."""
    from zoo.exporting.inference import bench_inference

    for option in TRAINING:
        refuse_typed(option, NO_EFFECT, "drop it")
    if overrides:
        raise ZooError(f"{overrides[0][:80]!r} has no effect with --inference", "drop it")
    own = {key: options[key] for key in ("int8", "threads")}
    found = bench_inference(run, formats, seconds=seconds, tell=screen.note, **own)
    if screen.json:
        return screen.document(found.to_dict())
    screen.line(f"{found.run}: {found.threads} thread{'s' * (found.threads > 1)}, batches of {found.batch}")
    heads = ["part", "form", "ms for one", "pictures/s", "speed-up", "file"]
    rows = [
        (
            row.part,
            row.form,
            f"{row.latency_ms:.3g}",
            f"{row.pictures_per_second:,.0f}",
            f"{row.ratio_to_eager:.2f}",
            "" if row.bytes is None else format_bytes(row.bytes),
        )
        for row in found.speeds
    ]
    return screen.table(heads, rows, right=range(2, 6))
