"""What the generated pages are made from; the only module of the documentation that imports internals of the zoo."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from zoo.cli.app import zoo as command_line
from zoo.core.sections import StageSpec, TrainSpec, TuneSpec
from zoo.core.spec import Option, options
from zoo.registry.catalog import catalog
from zoo.testing.rule import Rule, rules

__all__ = ["FAMILIES", "SECTIONS", "Option", "Rule", "commands", "kinds", "options", "public", "rules"]

PACKAGES = ("zoo", "zoo.core", "zoo.data", "zoo.models", "zoo.registry", "zoo.testing")
"""Those that are public, as UPGRADING.md and the test of the public API name them."""
FAMILIES = ("model", "prior", "text", "data", "metric", "judge", "augment", "callback")
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
    """The public names by the package from which they are imported."""
    return {package: tuple(import_module(package).__all__) for package in PACKAGES}
