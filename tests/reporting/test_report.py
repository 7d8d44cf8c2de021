"""Reports of a run, a study and a comparison: what they say, hostile names, and the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, browser, needs_browser
from captioned import BRIGHT_ABOVE, DARK_ABOVE, captioned
from PIL import Image

import zoo
from tests.conftest import TINY
from zoo.cli import main
from zoo.core.errors import RunError, ZooError
from zoo.core.files import digest, write_json

GOLDEN = Path(__file__).parents[1] / "golden" / "runs"
Capture = pytest.CaptureFixture[str]
VOID = {"meta", "img", "link", "br", "hr", "input"}
HOSTILE = ('<script>alert("1")</script>', "a\"b' onload='x", "one\u202etwo\u2066", "&lt;{{ 7 * 7 }}")
"""Names of classes as an attacker may choose them."""


class Parsed(HTMLParser):
    """The elements of a page, each with the text inside it; all elements must be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            self.found.append((tag, dict(attrs), ""))
        else:
            self.open.append((tag, dict(attrs), []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        name, attributes, parts = self.open.pop()
        assert name == tag, f"</{tag}> closes <{name}>"
        self.found.append((tag, attributes, "".join(parts)))

    def handle_data(self, data: str) -> None:
        for _, _, parts in self.open:
            parts.append(data)

    def texts(self, tag: str) -> list[str]:
        return [text.strip() for name, _, text in self.found if name == tag]


def check(path: Path) -> Parsed:
    """A page keeps what every report promises: nothing from outside, unique ids, headings in order, named pictures."""
    html = path.read_text(encoding="utf-8")
    page = Parsed(html)
    ids = [about["id"] for _, about, _ in page.found if "id" in about]
    assert len(ids) == len(set(ids))
    for tag, about, _ in page.found:
        addresses = [about[key] for key in ("href", "src", "action", "data", "poster", "srcset") if about.get(key)]
        for address in addresses:
            assert address is not None and address.startswith(("#", "data:image/png;base64,")), (tag, address)
            assert not address.startswith("#") or address[1:] in ids
        assert not any(key.startswith("on") for key in about), (tag, about)
        assert tag != "img" or about.get("alt")
        assert about.get("role") != "img" or about.get("aria-label")
    assert not re.search(r"url\(|@import|//[a-z]", "".join(page.texts("style")))
    levels = [int(each[1]) for each in re.findall(r"<(h[1-6])\b", html)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.texts("script")) == 1
    return page


@pytest.fixture
def golden(home: Path) -> Path:
    """A copy of runs of an older version, as `runs`."""
    shutil.copytree(GOLDEN, home / "runs")
    return home / "runs"


def test_a_run_says_how_it_was_trained_and_what_it_is_worth(home: Path, trained: Path, capsys: Capture) -> None:
    shutil.copytree(trained, home / "runs" / "tiny")
    assert main(["evaluate", "tiny"]) == 0
    capsys.readouterr()
    assert main(["report", "tiny", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    path = Path(said["report"])
    assert path == Path("runs/tiny/report.html") and said["bytes"] == path.stat().st_size and not said["notes"]
    page = check(path)
    assert page.texts("h1") == ["cnn on digits"]
    assert page.texts("h2") == ["About", "Options", "Curves", "Metrics: test split", "Repeat"]
    html, cells = path.read_text(encoding="utf-8"), page.texts("td")
    assert {"train.epochs", "model.blocks"} <= set(cells)
    assert cells[cells.index("train.epochs") + 1 :][:2] == ["2", "24"]
    found = json.loads(Path("runs/tiny/evaluation/test.json").read_text(encoding="utf-8"))
    record = json.loads(Path("runs/tiny/run.json").read_text(encoding="utf-8"))
    assert f"{found['metrics']['accuracy']:.4g}" in cells and f"{found['per_class']['3']['f1']:.3f}" in cells
    assert f"{record['parameters']:,}" in page.texts("dd")[3]
    assert {*record["fingerprints"].values(), record["weights_sha256"], record["versions"]["torch"]} <= set(cells)
    assert any(text.splitlines()[1:] == ["zoo evaluate runs/tiny"] for text in page.texts("code"))
    assert html.count('<svg class="chart"') == 3
    low, high = found["intervals"]["accuracy"]
    assert f"{low:.4g} to {high:.4g}" in cells
    captions = [about["alt"] for tag, about, _ in page.found if tag == "img"]
    assert [str(caption).split()[0] for caption in captions] == ["Confidence", "ROC", "The"]
    assert main(["report", "tiny", "-o", str(home / "page.html")]) == 0
    assert "wrote" in capsys.readouterr().out and check(home / "page.html")


def test_without_an_evaluation_it_has_the_validation_metrics(home: Path, trained: Path) -> None:
    page = check(zoo.report(trained, home / "a.html"))
    assert "Metrics" in page.texts("h2") and any("not evaluated yet" in text for text in page.texts("p"))


def test_an_evaluation_of_other_weights_is_left_out(home: Path, trained: Path) -> None:
    run = home / "runs" / "tiny"
    shutil.copytree(trained, run)
    write_json(run / "evaluation" / "test.json", {"metrics": {"accuracy": 0.1234}, "split": "test", "classes": []})
    (run / "evaluation" / "valid.json").write_text("[1", encoding="utf-8")
    told: list[str] = []
    path = zoo.report("tiny", tell=told.append)
    assert "0.1234" not in path.read_text(encoding="utf-8")
    assert ["other weights" in told[0], "is not an evaluation" in told[1]] == [True, True]


def test_samples_of_a_generator_stand_beside_their_prompts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ["data.limit=100", "train.epochs=1", "model.channels=[4]", "prior.depth=1"]
    words = [word for word in few if option_of("vae-nf", word)]
    zoo.train("vae-nf", *words, out=home / "runs" / "gen", device="cpu")
    page = check(zoo.report("gen", device="cpu"))
    captions = [about["alt"] for tag, about, _ in page.found if tag == "img"]
    assert captions == [str(number) for number in range(10)]
    monkeypatch.setattr("zoo.generation.sample.sample", fail)
    told: list[str] = []
    page = check(zoo.report("gen", device="cpu", tell=told.append))
    assert "Samples" not in page.texts("h2") and "no memory" in told[0]


def test_samples_are_made_for_captions_where_there_are_no_classes(home: Path) -> None:
    x, captions, _ = captioned(40)
    small = ["model.latent=4", "model.width=8", "train.epochs=1", "prior.layers=2", "prior.width=16"]
    zoo.train("vae-nf", *small, "text.kind=tokens", data=(x, None, captions), out=home / "runs" / "words", device="cpu")
    told: list[str] = []
    page = check(zoo.report("words", device="cpu", tell=told.append))
    shown = {about["alt"] for tag, about, _ in page.found if tag == "img"}
    assert {BRIGHT_ABOVE, DARK_ABOVE} <= shown and not told


def test_samples_without_prompts_are_one_picture(home: Path) -> None:
    small = ["data.limit=100", "train.epochs=1", "model.latent=4", "model.width=8"]
    zoo.train("vae", *small, out=home / "runs" / "plain", device="cpu")
    page = check(zoo.report("plain", device="cpu"))
    assert [about["alt"] for tag, about, _ in page.found if tag == "img"] == ["samples"]


def option_of(entry: str, word: str) -> bool:
    """Whether an entry has the option that a text sets."""
    return word.partition("=")[0] in {option.name for option in zoo.show(entry).options}


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("no memory")


def test_a_study_has_its_history_front_timeline_and_trials(golden: Path, capsys: Capture) -> None:
    assert main(["report", "study"]) == 0
    page = check(golden / "study" / "report.html")
    heads = page.texts("h2")
    assert {"About", "Best trial", "History", "Front", "Trials", "Repeat"} <= set(heads)
    found = zoo.studies(golden).found[0]
    cells = page.texts("td")
    assert {f"t{trial.number:05d}" for trial in found.trials} <= set(cells)
    assert set(found.space) <= set(cells)
    assert page.texts("code")[0].startswith("zoo tune")


def test_a_comparison_has_its_table_and_all_runs(golden: Path) -> None:
    page = check(zoo.report("comparison"))
    assert page.texts("h2")[:3] == ["About", "Results", "Runs"]
    table = json.loads((golden / "comparison" / "table.json").read_text(encoding="utf-8"))
    mean = table["variants"][0]["figures"]["accuracy"]["mean"]
    assert any(cell.startswith(f"{mean:.4g}") for cell in page.texts("td"))
    assert page.texts("code")[0].startswith("zoo compare")
    (golden / "comparison" / "table.json").write_text('{"seeds": 3}', encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        zoo.report("comparison")


def hostile_run(home: Path) -> Path:
    """A run on a folder whose classes have hostile names, as far as file systems allow, and an evaluation of it."""
    random = np.random.default_rng(0)
    for index, _ in enumerate(HOSTILE):
        for number in range(12):
            folder = home / "pictures" / f"class{index}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    path = home / "runs" / "hostile"
    tiny = [word for word in TINY if not word.startswith("data.")]
    zoo.train("cnn", *tiny, data=home / "pictures", out=path, device="cpu")
    main(["evaluate", "hostile"])
    record = json.loads((path / "run.json").read_text(encoding="utf-8"))
    record["data"]["classes"], record["notes"] = list(HOSTILE), [f"left out {HOSTILE[0]}", "\u202e.gnp"]
    record["skipped"] = [{"path": f"/x/{name}.png", "reason": "unreadable"} for name in HOSTILE]
    record.pop("seal")
    write_json(path / "run.json", record | {"seal": digest(record)})
    found = json.loads((path / "evaluation" / "test.json").read_text(encoding="utf-8"))
    found["classes"] = list(HOSTILE)
    found["per_class"] = dict(zip(HOSTILE, found["per_class"].values(), strict=True))
    found["problems"] = ['"><img src=http://evil.example/x.png onerror=alert(1)>']
    write_json(path / "evaluation" / "test.json", found)
    return path


def test_hostile_names_are_texts(home: Path) -> None:
    path = zoo.report(hostile_run(home))
    page = check(path)
    html = path.read_text(encoding="utf-8")
    assert "\u202e" not in html and "\u2066" not in html and "onetwo" not in html
    assert HOSTILE[0] in page.texts("td") and HOSTILE[1] in page.texts("td") and HOSTILE[3] in page.texts("td")
    assert "one\\u202etwo\\u2066" in page.texts("td")
    assert f"left out {HOSTILE[0]}" in page.texts("li")
    assert "http://evil.example" not in "".join(str(about) for tag, about, _ in page.found if tag == "img")


@pytest.mark.parametrize("out", ["page.png", "page", "folder.html"])
def test_a_file_that_is_no_html_is_refused(home: Path, trained: Path, out: str) -> None:
    (home / "folder.html").mkdir()
    with pytest.raises(ZooError, match=r"must end in \.html|is a folder"):
        zoo.report(trained, out)


def test_an_unknown_name_is_one_line(home: Path, capsys: Capture) -> None:
    assert main(["report", "no-such-run"]) == 2
    assert capsys.readouterr().err.startswith("error: no run 'no-such-run'")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    """A page in a browser."""
    with browser(tmp_path) as found:
        yield found


@needs_browser
def test_tables_sort_by_click_and_by_key(home: Path, page: Browser) -> None:
    path = zoo.report(hostile_run(home)).resolve()
    page.open(path.as_uri())
    assert page.requested() == [path.as_uri()]
    assert page.problems() == []
    assert page.evaluate("document.scripts.length") == 1
    table = "[aria-label='By class'] table"
    column = f'[...document.querySelectorAll("{table} tbody td:nth-child(2)")].map((cell) => Number(cell.textContent))'
    before = page.evaluate(column)
    head = f"{table} th:nth-child(2)"
    order = f"document.querySelector(\"{head}\").getAttribute('aria-sort')"
    page.click(f"{head} button")
    assert (page.evaluate(order), page.evaluate(column)) == ("ascending", sorted(before))
    page.evaluate(f'document.querySelector("{head} button").focus()')
    page.press("Enter", "\r")
    assert (page.evaluate(order), page.evaluate(column)) == ("descending", sorted(before, reverse=True))
    page.click(f"{table} th:nth-child(1) button")
    assert page.evaluate(order) is None
    names = page.evaluate(f'[...document.querySelectorAll("{table} tbody td:nth-child(1)")].map((c) => c.textContent)')
    assert sorted(names) == sorted([*HOSTILE[:2], HOSTILE[3], "one\\u202etwo\\u2066"])


@needs_browser
def test_a_phone_scrolls_in_one_direction(home: Path, golden: Path, page: Browser) -> None:
    page.send("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    for name in ("tiny-1", "study", "comparison"):
        page.open(zoo.report(name).resolve().as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        for scheme, colour in (("dark", "rgb(20, 23, 27)"), ("light", "rgb(255, 255, 255)")):
            page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour


def test_weights_that_a_package_ships_have_their_evaluation(home: Path) -> None:
    path = zoo.report("cnn@digits")
    assert path == Path("runs/cnn@digits/report.html")
    assert "Metrics: test split" in check(path).texts("h2")


@pytest.mark.parametrize(
    "damage",
    [
        {"confusions": [[99, 0, 1]]},
        {"confusions": 3},
        {"confusion": [[1, "x"], 2]},
        {"problems": 4},
        {"intervals": {"accuracy": ["a", None], "level": "x"}},
        {"per_class": {"a": 1}},
        {"metrics": {"accuracy": "high", "loss": None}},
        {"pictures": "many", "judge": ["<b>"], "averaging": {}},
    ],
)
def test_damaged_values_cost_no_more_than_their_evaluation(
    home: Path, trained: Path, damage: dict[str, object]
) -> None:
    run = home / "runs" / "tiny"
    shutil.copytree(trained, run)
    sha256 = json.loads((run / "run.json").read_text(encoding="utf-8"))["weights_sha256"]
    fine = {"metrics": {"accuracy": 0.5}, "split": "test", "classes": ["a", "b"], "weights_sha256": sha256}
    write_json(run / "evaluation" / "test.json", fine | damage)
    write_json(run / "evaluation" / "valid.json", fine | {"split": "valid"})
    assert "Metrics: valid split" in check(zoo.report("tiny")).texts("h2")


def test_a_class_that_is_never_predicted_has_no_precision(home: Path, trained: Path) -> None:
    run = home / "runs" / "tiny"
    shutil.copytree(trained, run)
    sha256 = json.loads((run / "run.json").read_text(encoding="utf-8"))["weights_sha256"]
    row = {"pictures": 2, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    found = {"per_class": {"a": row | {"precision": 0.5, "recall": 1.0}, "b": row}, "confusion": [[2, 0], [2, 0]]}
    about = {"metrics": {"accuracy": 0.5}, "split": "test", "classes": ["a", "b"], "weights_sha256": sha256}
    write_json(run / "evaluation" / "test.json", about | found)
    cells = check(zoo.report("tiny")).texts("td")
    first = cells.index("0.500")
    assert cells[first + 3 :][:5] == ["b", "2", "-", "0.000", "0.000"]


def test_a_link_in_place_of_evaluations_is_not_followed(home: Path, trained: Path, tmp_path: Path) -> None:
    run = home / "runs" / "tiny"
    shutil.copytree(trained, run)
    write_json(tmp_path / "other" / "test.json", {"metrics": {"accuracy": 0.1234}, "split": "test", "classes": []})
    (run / "evaluation").symlink_to(tmp_path / "other")
    told: list[str] = []
    assert "Metrics: test split" not in check(zoo.report("tiny", tell=told.append)).texts("h2")
    assert not told
