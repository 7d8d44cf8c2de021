"""Arguments and options that several commands share."""

from __future__ import annotations

import click

NAME = click.argument("name")
RUN = click.argument("run")
OVERRIDES = click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)
DEVICE = click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")
REGISTRY = click.option(
    "--registry", "registries", multiple=True, metavar="FILE", help="A registry file on top of the others."
)
