"""Notebooks: what is shown of each thing, in HTML that is safe, and a training, a study, a comparison as they go on."""

from __future__ import annotations

import base64
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from studies import MIXED, study, trial

import zoo
from zoo.display.html import LiveOutput, in_notebook
from zoo.evaluation.compare.result import ComparedRun, Comparison, Variant
from zoo.generation.edit import Edit, Scores
from zoo.generation.sample import Mix, Samples
from zoo.training.train import Trained
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.notebook import TuneNotebookCallback
from zoo.tuning.study import Studies

pytestmark = pytest.mark.usefixtures("home")
Patch = pytest.MonkeyPatch
TINY = ("data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=2")
BAD = "<script>alert('x')</script>"
ALONE = {"img"}
TAGS = {"div", "b", "table", "thead", "tbody", "tr", "th", "td", "progress", "img"}


class Reader(HTMLParser):
    """The text of HTML; fails where tags are not nested, or one could load or do something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.pictures: list[Image.Image] = []
        self.feed(html)
        self.close()
        assert not self.open
        self.text = " ".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        values = dict(attrs)
        assert set(values) <= {"style", "alt", "src", "value", "max"}
        assert "url" not in (values.get("style") or "") and "color" not in (values.get("style") or "")
        if source := values.get("src"):
            head, _, data = source.partition(",")
            assert head == "data:image/png;base64"
            self.pictures.append(Image.open(BytesIO(base64.b64decode(data))))
        if tag not in ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def shown(thing: Any) -> Reader:
    """What a notebook shows of a thing."""
    return Reader(thing._repr_html_())


class Handle:
    """What IPython gives for a display."""

    def __init__(self, given: dict[str, str]) -> None:
        self.drawn = [given]

    def update(self, given: dict[str, str], raw: bool) -> None:
        """The next picture of it."""
        assert raw
        self.drawn.append(given)

    @property
    def last(self) -> Reader:
        """What stays."""
        return Reader(self.drawn[-1]["text/html"])


@pytest.fixture
def notebook(monkeypatch: Patch) -> list[Handle]:
    """The kernel of a notebook, made up; the displays of its cell."""
    handles: list[Handle] = []

    def display(given: dict[str, str], raw: bool, display_id: bool) -> Handle:
        assert raw and display_id and given["text/plain"]
        handles.append(Handle(given))
        return handles[-1]

    ipython, inner = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.__dict__["get_ipython"] = lambda: SimpleNamespace(kernel=object())
    inner.__dict__["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    monkeypatch.setattr("zoo.display.html.REFRESH_SECONDS", 0.0)
    return handles


def test_elsewhere_nothing_is_shown(monkeypatch: Patch, capsys: pytest.CaptureFixture[str]) -> None:
    assert not in_notebook()
    zoo.train("cnn", *TINY, device="cpu")
    assert capsys.readouterr() == ("", "")
    ipython = ModuleType("IPython")  # of a terminal
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_notebook()
    ipython.__dict__["get_ipython"] = lambda: SimpleNamespace()
    assert not in_notebook()


def test_a_training_is_one_display(notebook: list[Handle], capsys: pytest.CaptureFixture[str]) -> None:
    done = zoo.train("cnn", *TINY, "train.batch=32", device="cpu")
    (handle,) = notebook
    assert len(handle.drawn) > 12  # one a step
    bars = [re.findall(r'value="([0-9.e+]+)" max="([0-9.e+]+)"', each["text/html"])[0] for each in handle.drawn]
    values = [float(value) for value, _ in bars]
    assert values == sorted(values) and float(bars[-1][0]) == float(bars[-1][1])
    text = handle.last.text
    assert "epoch 2/2" in text and "accuracy" in text and str(done.run) in text and "left" not in text
    assert handle.drawn[-1]["text/plain"].startswith("cnn: epoch 2/2, loss ")
    assert capsys.readouterr() == ("", "")


def test_a_comparison_is_a_table_and_one_bar(notebook: list[Handle]) -> None:
    found = zoo.compare("cnn", *TINY, "model.norm=none,before", device="cpu")
    table, bar = notebook
    assert "2 of 2 trainings finished" in table.last.text and "accuracy" not in table.last.text
    half = next(Reader(each["text/html"]).text for each in table.drawn if "1 of 2" in each["text/plain"])
    assert "accuracy" in half and "before" in half
    assert "[2/2] model.norm=before, seed 0" in bar.last.text
    text = shown(found).text
    assert all(word in text for word in ("cnn-compare", "test split", "none", "before", "1/1", "accuracy"))


def test_a_study_is_one_display(notebook: list[Handle]) -> None:
    callback, found = TuneNotebookCallback(60.0), study(*MIXED)
    callback.tick()
    callback.begin(replace(found, trials=found.trials[:1]), 2)
    for each in found.trials[1:]:
        callback.update(replace(found, trials=found.trials[: each.number + 1]), each)
    callback.tick()
    callback.note(f"note {BAD}")
    (handle,) = notebook
    assert handle.drawn[0]["text/plain"] == "preparing ..."
    text = handle.last.text
    assert "cnn on digits" in text and "2 at a time" in text and "8/20" in text and "resuming: 1 finished" in text
    assert "best t00008" in text and "t00009" in text and "running" in text and f"note {BAD}" in text
    callback.end(found)
    assert "t00009" not in handle.last.text and "best t00008" in handle.last.text
    assert type(callback.__reduce__()[0]()) is TuneCallback


def test_a_display_is_not_drawn_too_often(notebook: list[Handle], monkeypatch: Patch) -> None:
    monkeypatch.setattr("zoo.display.html.REFRESH_SECONDS", 1e9)
    display = LiveOutput()
    for number in range(9):
        display.draw(lambda number=number: f"<b>{number}</b>", lambda: "x", now=number in (0, 5))  # type: ignore[misc]
    assert [each["text/html"] for each in notebook[0].drawn] == ["<b>0</b>", "<b>5</b>"]


def test_entries(home: Path) -> None:
    text = f'version: 1\nentries: {{mine: {{summary: "{BAD}", extends: cnn}}, lost: {{model: {{kind: moe}}}}}}\n'
    (home / "registry.yaml").write_text(text, encoding="utf-8")
    found = zoo.entries()
    assert isinstance(found, list) and BAD in shown(found).text and BAD not in found._repr_html_()
    assert "lost cannot be used: " in shown(found).text and "loss 0." in shown(found).text
    one = {entry.name: entry for entry in found}
    assert BAD in shown(one["mine"]).text and "moe" in shown(one["lost"]).text
    assert "classifiers" in shown(one["cnn"]).text


def test_runs(run: Path) -> None:
    found = zoo.load(run)
    text = shown(found).text
    assert str(run) in text and "done" in text and "validation accuracy" in text and "digits" in text
    (run / "metrics.jsonl").write_text("no json", encoding="utf-8")
    assert "validation" not in shown(found).text
    found.record["reason"] = BAD
    assert BAD in shown(found).text
    assert "0123456789ab" in shown(Trained(run, 3, {"loss": 0.5}, "0123456789abcdef")).text


def test_studies(home: Path) -> None:
    found = study(*MIXED)
    Path("runs/cnn-study").mkdir(parents=True)
    Image.new("L", (8, 8), 9).save("runs/cnn-study/samples.png")
    page = shown(found)
    assert "best t00008" in page.text and "model.first" in page.text and "out of memory" in page.text
    assert [picture.size for picture in page.pictures] == [(8, 8)]
    assert not shown(study("running")).pictures or "best" not in shown(study("running")).text
    several = Studies([found], [f"broken {BAD}"])
    assert "cnn-study" in shown(several).text and f"skipped: broken {BAD}" in shown(several).text
    everything, problems = zoo.studies()
    assert (everything, problems) == ([], []) and "no studies yet" in shown(zoo.studies()).text


def test_a_failure_is_shown_as_text(home: Path) -> None:
    bad = replace(trial(0, "failed"), reason=BAD)
    assert BAD in shown(replace(study(), trials=[bad])).text
    variant = Variant({"model.norm": "x"}, 9, [ComparedRun(0, Path("r"), "failed", reason=BAD)])
    found = Comparison(Path("runs/c"), "cnn", "test", [0], {"model.norm": ["x"]}, [variant])
    assert BAD in shown(found).text


def test_pictures_are_within_the_page() -> None:
    x = torch.rand(4, 3, 8, 8)
    for made in (Samples(x, ()), Samples(x, (BAD,) * 4), Mix(x, 2, ("a", "b")), Edit(x, x, ("a",) * 4, [])):
        (picture,) = shown(made).pictures
        assert picture.size == made.grid().size
    assert Samples(torch.rand(4, 2, 8, 8), ())._repr_html_() is None
    assert Edit(x[:0], x[:0], (), [])._repr_html_() is None


def test_scores() -> None:
    page = shown(Scores(("a.png",), ("cat", BAD), torch.tensor([[-3.0, -1.5]]), []))
    assert BAD in page.text and "-1.50" in page.text and page.text.endswith(BAD)
