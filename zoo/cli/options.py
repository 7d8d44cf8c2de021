"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from zoo.core.errors import ZooError
from zoo.core.views import ONE_VIEW
from zoo.core.views import VIEWS as VIEW_NAMES

if TYPE_CHECKING:
    from zoo.cli.console import Screen

NAME = click.argument("name")
RUN = click.argument("run")
PICTURES = click.argument("pictures", metavar="PICTURE|FOLDER...", nargs=-1, required=True)
OVERRIDES = click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)
DATA = click.option(
    "--data", metavar="KIND|PATH", help="A data kind, a folder with one subfolder per class, or Parquet files."
)
DEVICE = click.option("--device", default="auto", metavar="DEVICE", help="Device: auto, cpu, cuda, cuda:1 or mps.")
REGISTRY = click.option(
    "--registry", "registries", multiple=True, metavar="FILE", help="Another registry file, which overrides the others."
)
TRACK = click.option(
    "--track",
    "callbacks",
    multiple=True,
    metavar="CALLBACK",
    help="Tell a tracker what happens, e.g. mlflow or 'wandb project=digits'; zoo plugins lists them.",
)
TEMPERATURE = click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    metavar="T",
    help="Below 1: likelier and less varied samples.",
)
GUIDANCE = click.option(
    "--guidance", type=float, default=0.0, metavar="G", help="Above 0: closer to the prompt and less varied; try 1."
)
VIEWS = click.option(
    "--views",
    type=click.Choice(VIEW_NAMES),
    default=ONE_VIEW,
    help="Average a classifier's probabilities over each picture as it is, and mirrored, shifted by a pixel, or both.",
)
SEED = click.option(
    "--seed", type=click.IntRange(0), default=0, metavar="N", help="The same seed gives the same pictures."
)
MIX_RULE = click.option(
    "--mix",
    type=click.Choice(["auto", "sum", "product", "join"]),
    default="auto",
    help="How to combine the parts of a prompt: add their conditions, multiply their densities (if the prior can), "
    "or join the texts with 'and'; auto: as suits the model.",
)
OUT = click.option("-o", "--out", metavar="FILE.png", help="File to write the page to; default in the run folder.")
TENSORS = click.option("--tensors", metavar="FILE", help="Also write the pictures as float32 safetensors.")
SEPARATE = click.option("--separate", is_flag=True, help="Also write each picture as a PNG file at its own size.")
F = TypeVar("F", bound=Callable[..., Any])


def page_options(command: F) -> F:
    """Add the options of a command that writes a page of pictures."""
    return add_options(command, OUT, TENSORS, SEPARATE, DEVICE)


def sampling_options(command: F) -> F:
    """Add the options of a command that samples pictures onto a page."""
    return add_options(page_options(command), SEED, TEMPERATURE, GUIDANCE, MIX_RULE)


def add_options(command: F, *options: Callable[[F], F]) -> F:
    """Add options in this order, before those that the command already has."""
    for option in reversed(options):
        command = option(command)
    return command


def read_words(screen: Screen, data: str | None, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the data and the overrides among the words of a command: a folder needs no `--data` before it."""
    from zoo.registry.data_source import take_data_word

    named, overrides = take_data_word(words)
    if named is None:
        return data, overrides
    if data is not None:
        raise ZooError(f"the data are named twice, as --data {data} and as {named}", "give one of them")
    screen.note(f"reading {named} as --data {named}")
    return named, overrides


def refuse_typed(name: str, why: str, hint: str) -> None:
    """Raise ZooError if an option was typed that has no effect, with the reason."""
    context = click.get_current_context()
    if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        flag = next(param.opts[0] for param in context.command.params if param.name == name)
        flag = flag if flag.startswith("-") else str(context.params[name])
        raise ZooError(f"{flag} has no effect {why}", hint)
