"""Build the data and the model of an entry."""

from __future__ import annotations

from typing import Any

from zoo.core.errors import ZooError, one_line
from zoo.core.notes import collect_notes, note
from zoo.core.sections import DataSpec
from zoo.core.types import CodeInfo, DataInfo
from zoo.data.dataset import Loaded, Splits
from zoo.data.describe import all_equal, describe_leak, describe_splits
from zoo.data.split import split
from zoo.models.base import Model
from zoo.models.generator import Generator
from zoo.models.latent import LatentModel
from zoo.models.prior import Prior
from zoo.models.text import TextEncoder
from zoo.registry.blame import expect, plugin_errors
from zoo.registry.entry import Component, Entry
from zoo.registry.kinds import DataKind, TextKind


def build_data(component: Component[DataKind[Any]]) -> tuple[Splits, tuple[tuple[str, str], ...]]:
    """Load the splits, and say in one line what they are.

    Also returns each file that could not be read, with the reason.
    """
    assert isinstance(component.spec, DataSpec), "discovery lets no other data kind in"
    with collect_notes() as notes:
        with plugin_errors(component, "load"):
            loaded = expect(component.kind.load(component.spec), Loaded)
        splits = split(loaded, component.spec)
        if all_equal(splits.train):
            note("all training pictures are equal, so there is nothing to learn from them; look at the files")
        elif leak := describe_leak(splits):
            note(leak)
    line = one_line(describe_splits(data_name(component), splits, loaded))
    note(line, usual=not (loaded.notes or loaded.skipped))
    for each in notes:
        note(each)
    return splits._replace(notes=(line, *notes)), loaded.skipped


def data_name(component: Component[DataKind[Any]]) -> str:
    """Name the data in messages: its kind, and its path if it has one."""
    path = getattr(component.spec, "path", None)
    paths = path if isinstance(path, tuple | list) else [] if path is None else [path]
    return " ".join([component.name, *map(str, paths)])


def data_info(component: Component[DataKind[Any]]) -> DataInfo:
    """Return shape and classes of the data, without decoding all pictures if possible."""
    with plugin_errors(component, "inspect"):
        return expect(component.kind.info(component.spec), DataInfo)


def build_model(entry: Entry, info: DataInfo) -> Model:
    """Build the model of an entry, with weights initialised from torch's random state."""
    with plugin_errors(entry.model, "build"):
        model = entry.model.kind.build(entry.model.spec, info)
    if entry.prior and isinstance(model, LatentModel):
        text = build_text(entry.text, info)
        code = conditioned(model.code, text)
        with plugin_errors(entry.prior, "build"):
            prior = expect(entry.prior.kind.build(entry.prior.spec, code), Prior)
            return Generator(model, prior, info, text)
    if not isinstance(model, Model):
        raise ZooError(
            f"model kind {entry.model.name!r} builds a {type(model).__name__}",
            f"report it to the authors of {entry.model.plugin}",
        )
    return model


def conditioned(code: CodeInfo, text: TextEncoder | None) -> CodeInfo:
    """Describe codes together with the conditions that a text encoder makes for their prior."""
    return code._replace(condition=text.size, tokens=text.tokens) if text else code._replace(condition=0)


def build_for(entry: Entry, splits: Splits) -> Model:
    """Build the model of an entry for the pictures of a training, and give it their texts."""
    model = build_model(entry, splits.info)
    model.set_texts(splits.train.text_table)
    return model


def build_text(component: Component[TextKind[Any]] | None, info: DataInfo) -> TextEncoder | None:
    """Build the text encoder of an entry, or return None if it has none."""
    if component is None:
        return None
    with plugin_errors(component, "build"):
        return expect(component.kind.build(component.spec, info), TextEncoder)
