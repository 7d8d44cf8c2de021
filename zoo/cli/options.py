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
TEMPERATURE = click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    metavar="T",
    help="Below 1: samples that are likelier and less varied.",
)
GUIDANCE = click.option(
    "--guidance", type=float, default=0.0, metavar="G", help="Above 0: likelier of the prompt and less varied; try 1."
)
