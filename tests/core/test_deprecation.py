"""Deprecations: marked functions and classes, and options that were renamed, from a registry file to the tuner."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import pytest

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.deprecation import Renamed, deprecated
from zoo.core.errors import ZooDeprecationWarning

PLUGIN = """
from typing import Annotated
import zoo
from zoo.core import Renamed
class Options(zoo.Spec):
    width: Annotated[int, zoo.Range(1, 8), Renamed("size", since="0.2", removed="0.4")] = 3
    '''Width.'''
def build(spec, info):
    raise NotImplementedError
@zoo.hookimpl
def zoo_models():
    yield zoo.ModelKind("moe", Options, build)
"""


@deprecated("use fit()", since="0.2", removed="0.4")
def train(epochs: int) -> int:
    """Train."""
    return epochs


@deprecated("use Model", since="0.2", removed="0.4")
class Network:
    """A network."""


class Options(zoo.Spec):
    """Of a layer."""

    width: Annotated[int, Renamed("size", since="0.2", removed="0.4")] = 3
    """Width."""
    depth: int = 1
    """Depth."""


def test_a_marked_function_works_and_says_what_to_use() -> None:
    with pytest.warns(
        ZooDeprecationWarning, match="train has been deprecated since 0.2 and will be removed in 0.4; use fi"
    ):
        assert train(3) == 3
    assert (train.__name__, train.__doc__) == ("train", "Train.")


def test_a_marked_class_too() -> None:
    with pytest.warns(
        ZooDeprecationWarning, match="Network has been deprecated since 0.2 and will be removed in 0.4; use M"
    ):
        assert isinstance(Network(), Network)


@pytest.mark.parametrize(
    ("options", "width"),
    [({"size": 5}, 5), ({"size": 5, "depth": 2}, 5), ({"size": 5, "width": 6}, 6), ({"width": 6, "size": 5}, 5)],
)
def test_the_former_name_of_an_option_is_read(options: dict[str, int], width: int) -> None:
    with pytest.warns(ZooDeprecationWarning, match=r"the option 'size' of Options has been called 'width' since 0.2"):
        assert Options.model_validate(options).width == width


def test_the_name_of_today_is_silent_and_the_only_one_that_is_written() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Options(width=4).model_dump() == {"width": 4, "depth": 1}
        with pytest.raises(ValueError, match="sise"):
            Options.model_validate({"sise": 3})


def registry(home: Path, tune: str = "") -> None:
    """A registry file that has the former name."""
    text = f"version: 1\nentries:\n  mine: {{model: {{kind: moe, size: 5}}, tune: {{{tune}}}}}\n"
    (home / "registry.yaml").write_text(text, encoding="utf-8")


def test_a_registry_file_and_an_override_with_the_former_name(
    install: Install, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", PLUGIN)
    registry(home)
    for words, width in [((), 5), (("model.size=7",), 7), (("model.width=8",), 8)]:
        assert main(["show", "mine", *words, "--options", "--json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["spec"]["model"] == {"kind": "moe", "width": width}
        assert err == (
            "note: the option 'size' of Options has been called 'width' since 0.2 "
            "and will no longer be accepted in 0.4\n"
        ), "once, however often the entry is read"


def test_where_to_search_may_be_told_under_the_former_name(
    install: Install, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", PLUGIN)
    registry(home, "space: {model.size: 2..4}")
    for words, space in [((), "2..4"), (("model.size=3",), None)]:
        assert main(["show", "mine", *words, "--options", "--json"]) == 0
        options = {option["name"]: option["search"] for option in json.loads(capsys.readouterr().out)["options"]}
        assert options["model.width"] == space, "what the command line fixes is not searched"


def test_the_schema_takes_a_former_name_and_marks_it() -> None:
    properties = Options.model_json_schema()["properties"]
    assert properties["size"]["deprecated"] is True
    assert properties["size"]["type"] == properties["width"]["type"] == "integer"
    assert "deprecated" not in properties["width"]
