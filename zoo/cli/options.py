"""Arguments and options that several commands share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import click

from zoo.core.errors import DataError, did_you_mean
from zoo.registry.catalog import catalog

NAME = click.argument("name")
RUN = click.argument("run")
PICTURES = click.argument("pictures", metavar="PICTURE|FOLDER...", nargs=-1, required=True)
OVERRIDES = click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)
DEVICE = click.option("--device", default="auto", metavar="DEVICE", help="Device: auto, cpu, cuda, cuda:1 or mps.")
REGISTRY = click.option(
    "--registry", "registries", multiple=True, metavar="FILE", help="Another registry file, which overrides the others."
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
SEED = click.option(
    "--seed", type=click.IntRange(0), default=0, metavar="N", help="The same seed gives the same pictures."
)
MIX_RULE = click.option(
    "--mix",
    type=click.Choice(["sum", "product"]),
    default="sum",
    help="How to combine the parts of a prompt: add their conditions, or multiply their densities (if the prior can).",
)
OUT = click.option("-o", "--out", metavar="FILE.png", help="File to write the page to; default in the run folder.")
TENSORS = click.option("--tensors", metavar="FILE", help="Also write the pictures as float32 safetensors.")
SEPARATE = click.option("--separate", is_flag=True, help="Also write each picture as a PNG file at its own size.")
MAX_LISTED_PATHS = 10_000
F = TypeVar("F", bound=Callable[..., Any])
QUALIFIED = re.compile(r"[\w.-]{2,}:[a-z0-9-]+")
"""plugin:kind; a single letter before the colon is a Windows drive."""


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


def data_overrides(text: str) -> list[str]:
    """Return the overrides that select a data kind or path; DataError if it is neither."""
    kinds = catalog().names("data")
    path = Path(text).expanduser()
    if text in kinds or (QUALIFIED.fullmatch(text) and not path.exists()):
        return [f"data.kind={text}"]
    if not path.exists():
        here = [child.name for child in path.parent.iterdir() if child.is_dir()] if path.parent.is_dir() else []
        hint = did_you_mean(text, kinds) or did_you_mean(path.name, here)
        raise DataError(f"{text!r} is neither a data kind nor a path", hint)
    # The run may be read from another working directory.
    whole = str(path.absolute())
    # YAML reads strings quoted as JSON, whatever characters they have.
    return [f"data.kind={data_kind_of(path)}", f"data.path={json.dumps(whole, ensure_ascii=False)}"]


def data_kind_of(path: Path) -> str:
    """Return the data kind for a path: `folder` or `parquet`."""
    if path.is_file():
        if path.suffix.lower() == ".parquet":
            return "parquet"
        raise DataError(
            f"{path} is a file that does not end in .parquet",
            "for pictures, give a folder with one subfolder per class",
        )
    inside = [child for child in islice(path.rglob("*"), MAX_LISTED_PATHS) if not child.name.startswith(".")]
    if any(child.suffix.lower() == ".parquet" for child in inside):
        return "parquet"
    if any(child.parent != path and child.is_file() for child in inside):
        return "folder"
    raise DataError(f"{path} has neither class folders ({path.name}/CLASS/*.png) nor .parquet files")
