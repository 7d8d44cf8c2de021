"""`zoo front` prints what no other result dominates and draws the picture, which says what it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from frontpicture import PICTURE, expected_digest
from PIL import Image

from zoo.cli import main
from zoo.cli.views.front import KEY

pytestmark = pytest.mark.usefixtures("home")


def test_it_prints_the_front_and_draws_all_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", "--data", "cifar-10", "--registry", write_registry(), "--out", "f.png"]) == 0
    printed = capsys.readouterr().out
    lines = {line.split("  ")[0]: line for line in printed.splitlines()}
    assert "0.99" in lines["tiny"]
    assert lines["tiny"].rstrip().endswith("parameters and minutes")
    assert "8 region draws" in printed
    assert "cnn-separable" not in printed, "it is dominated"
    assert main(["front", "--data", "cifar-10", "--registry", "mine.yaml", "--out", "f.png", "--json"]) == 0
    points = {point["entry"]: point for point in json.loads(capsys.readouterr().out)["points"]}
    assert points["tiny"]["front"] == ["parameters", "minutes"]
    assert points["cnn-separable"]["front"] == []
    with Image.open("f.png") as picture:
        assert len(picture.text[KEY]) == 64  # type: ignore[attr-defined]


def write_registry() -> str:
    """A registry file with a result that dominates all others."""
    row = '{"entry": "tiny", "of": "", "data": "CIFAR-10 (JPEG q75)", "split": "test", "metrics": {"accuracy": 0.99}, '
    text = f"version: 1\nresults:\n  - {row}" + '"parameters": 1000, "seconds": 30.0}\n'
    Path("mine.yaml").write_text(text, encoding="utf-8")
    return "mine.yaml"


def test_the_picture_of_the_readme_shows_the_recorded_results() -> None:
    with Image.open(PICTURE) as picture:
        found = picture.text[KEY]  # type: ignore[attr-defined]
    assert found == expected_digest(), "draw it again with: nox --no-venv -s written"
    assert "docs/_static/front.png" in (PICTURE.parents[2] / "README.md").read_text(encoding="utf-8")
