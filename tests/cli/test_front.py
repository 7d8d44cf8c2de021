"""`zoo front` prints what no other result dominates and draws the picture, which says what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frontpicture import PICTURE, expected_digest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from PIL import Image

from zoo.cli import main
from zoo.cli.views.front import KEY, draw_front
from zoo.registry.front import FrontPoint

pytestmark = pytest.mark.usefixtures("home")


def test_a_metric_whose_direction_is_unknown_needs_a_goal(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["front", "--data", "digits", "--metric", "sharpness", "--out", "f.png"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "nothing says whether a higher or a lower sharpness is better" in error
    assert "--goal" in error
    assert main([*words, "--goal", "max"]) == 0
    assert "judged by judge" in capsys.readouterr().out


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


@pytest.mark.parametrize(
    ("name", "text"),
    [("f.pdf", "the picture is a PNG file, so the name 'f.pdf'"), ("f.png", "f.png is a folder; name another file")],
)
def test_a_picture_that_cannot_be_written_is_refused(name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.png").mkdir()
    assert main(["front", "--out", name]) == 2
    assert text in capsys.readouterr().err


def test_no_name_lies_over_a_dot_and_old_results_are_called_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = list[Any]()
    save = Figure.savefig

    def keep(made: Figure, *args: Any, **options: Any) -> None:
        figures.append(made)
        save(made, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    left, right = FrontPoint("dot", 700, None, (0.806,)), FrontPoint("a long name " * 3, 1000, None, (0.8,), stale=True)
    draw_front(Path("f.png"), [right, left, FrontPoint("far", 10, None, (0.9,))], "toys", "accuracy")
    (made,) = figures
    panel = made.axes[0]
    names = {each.get_text(): each for each in panel.get_children() if isinstance(each, Annotation)}
    assert right.entry in names
    centres = panel.transData.transform([(point.parameters, point.mean) for point in (left, right)])
    assert not any(name.get_window_extent().contains(*centre) for name in names.values() for centre in centres)
    assert "one pass, stale" in [text.get_text() for text in made.legends[0].get_texts()]


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
