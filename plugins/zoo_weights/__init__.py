"""Trained weights of the zoo's own entries, listed in `index.json`, so that they can be used without training."""

from __future__ import annotations

from importlib.resources import files

from zoo.registry import Weights, hookimpl


@hookimpl
def zoo_weights() -> list[Weights]:
    """List the weights; `zoo push RUN plugins/zoo_weights --index` adds to them."""
    return Weights.read_index(files(__name__))
