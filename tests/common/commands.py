"""Commands, and what they print: a JSON document, or the one line that they end with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zoo.cli import main


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """The JSON document that a command prints."""
    capsys.readouterr()
    assert main([*words, "--json", "--device", "cpu"]) == code
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """The one line that a command ends with, perhaps after the lines about the run and the data."""
    capsys.readouterr()
    assert main([*words, "--device", "cpu"]) == code
    shown = capsys.readouterr()
    assert not shown.out
    *notes, error = shown.err.splitlines(keepends=True)
    assert error.startswith("error: ")
    assert not [note for note in notes if " training" not in note and ", trained on " not in note]
    return error
