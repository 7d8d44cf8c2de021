"""The only place where the documentation imports the inside of the zoo: what the generated pages are made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from zoo.catalog import catalog
from zoo.cli.group import zoo as command_line
from zoo.spec import Option, options
from zoo.stable import PUBLIC
from zoo.testing import Rule, rules
from zoo.training.spec import StageSpec, TrainSpec
from zoo.tuning.spec import TuneSpec

__all__ = ["FAMILIES", "SECTIONS", "Option", "Rule", "commands", "kinds", "options", "public", "rules"]

FAMILIES = ("model", "prior", "text", "data", "metric", "judge")
SECTIONS: dict[str, type[Any]] = {"train": TrainSpec, "train.stages.NAME": StageSpec, "tune": TuneSpec}
"""Sections of an entry whose options do not depend on a kind."""


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Each command of the command line with its name and a context, in the order in which `zoo --help` lists them."""
    parent = click.Context(command_line, info_name="zoo")
    for name in command_line.list_commands(parent):
        command = command_line.get_command(parent, name)
        assert command
        yield name, command, click.Context(command, parent=parent, info_name=name)


def kinds(family: str) -> list[tuple[str, Any]]:
    """The kinds of a family that the zoo itself gives, each after the name of its plugin."""
    own = [plugin for plugin in catalog().plugins if plugin.distribution == "pixel-zoo"]
    return [(plugin.name, kind) for plugin in own for kind in plugin.kinds if kind.family == family]


def public() -> dict[str, tuple[str, ...]]:
    """The public names by the module from which they are imported."""
    return dict(PUBLIC)
