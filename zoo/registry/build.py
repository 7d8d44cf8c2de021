"""Build the pictures and the model of an entry."""

from __future__ import annotations

from zoo.core.errors import ZooError
from zoo.core.sections import DataSpec
from zoo.core.types import DataInfo
from zoo.data.dataset import Splits
from zoo.data.split import split
from zoo.models.base import Model
from zoo.models.generator import Generator
from zoo.models.latent import LatentModel
from zoo.models.text import TextEncoder
from zoo.registry.blame import plugin_errors
from zoo.registry.entry import Component, Entry


def build_data(chosen: Component) -> tuple[Splits, tuple[tuple[str, str], ...]]:
    """The splits, and the files that could not be read with the reason."""
    with plugin_errors(chosen, "load"):
        loaded = chosen.kind.load(chosen.spec)
    assert isinstance(chosen.spec, DataSpec), "discovery lets no other data kind in"
    return split(loaded, chosen.spec), loaded.skipped


def data_info(chosen: Component) -> DataInfo:
    """What the pictures are like, without decoding all of them where that is possible."""
    with plugin_errors(chosen, "look at"):
        return chosen.kind.info(chosen.spec)  # type: ignore[no-any-return]


def build_model(entry: Entry, info: DataInfo) -> Model:
    """A model with fresh weights drawn from torch's generator."""
    with plugin_errors(entry.model, "build"):
        model = entry.model_kind.build(entry.model.spec, info)
    if entry.prior and isinstance(model, LatentModel):
        text = build_text(entry.text, info)
        code = model.code._replace(condition=text.size if text else 0)
        with plugin_errors(entry.prior, "build"):
            return Generator(model, entry.prior.kind.build(entry.prior.spec, code), info, text)
    if not isinstance(model, Model):
        raise ZooError(f"model kind {entry.model.name!r} builds a {type(model).__name__}", f"tell {entry.model.plugin}")
    return model


def build_text(chosen: Component | None, info: DataInfo) -> TextEncoder | None:
    """The text encoder that an entry has, if any."""
    if chosen is None:
        return None
    with plugin_errors(chosen, "build"):
        return chosen.kind.build(chosen.spec, info)  # type: ignore[no-any-return]
