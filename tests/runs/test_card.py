"""The model card: what it says, that the hub can read it, and that no text in it becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

import zoo
from zoo.core.errors import one_line
from zoo.core.files import write_json
from zoo.core.yaml import parse
from zoo.registry.listing import load_entry
from zoo.runs.card import SOURCE, Card, safe_command
from zoo.runs.metrics_log import kept_row
from zoo.runs.run import Run

HOSTILE = [
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a|b", "\\|x", "`", "``` \n# x", "](http://e.vil)"),
    *(
        "![x](http://e.vil)",
        "[x](javascript:alert(1))",
        "www.evil.com",
        "http://evil.com",
        "a@evil.com",
        "---",
        "\n---\n",
    ),
    *(
        "# head",
        "* list",
        "- x",
        "1. x",
        "> quote",
        "***",
        "_x_",
        "$x$",
        "&lt;b&gt;",
        "<!--",
        "-->",
        "</table>",
        "\x1b[31m",
    ),
    *(
        "\u202eabc",
        "\x00",
        "'",
        '"',
        '"}',
        "{x: 1}",
        "!!python/object:os.system",
        "&a",
        "*a",
        "%TAG",
        "a: b",
        "a #b",
        "\ud7ff",
    ),
    *(
        "x" * 500,
        "",
        " ",
        "\t|\t",
        "Zoë",
        "猫",
        "|---|",
        "~~x~~",
        ":smile:",
        "<https://e.vil>",
        "\u2028",
        "'; rm -rf ~",
    ),
]
TAGS = {*("h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "a", "img", "em")} - {"em"}


def render(card: str) -> tuple[Any, str]:
    """The metadata of a card, and its text as HTML."""
    _, front, body = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(body)
    return parse(front, "README.md").data, html


def card_of(run: Path, **changes: Any) -> Card:
    opened = zoo.load(run)
    evaluation = zoo.evaluate(opened).to_dict()
    return replace(Card(opened.entry, opened.record, opened.kept_epoch(), "hf:ann/digits", evaluation), **changes)


def test_a_card_says_what_the_evaluation_and_the_run_say(run: Path) -> None:
    found = zoo.evaluate(run)
    card = card_of(run, pictures=("confusion.png",))
    about, html = render(card.write())
    assert about["library_name"] == "pixel-zoo"
    assert about["pipeline_tag"] == "image-classification"
    assert {"pixel-zoo", "image-classification", "cnn"} <= set(about["tags"])
    (result,) = about["model-index"][0]["results"]
    assert (result["dataset"]["name"], result["dataset"]["split"]) == ("digits", "test")
    figures = {each["name"]: each["value"] for each in result["metrics"]}
    assert figures == pytest.approx({name: found.metrics[name] for name in figures}, rel=1e-5)
    assert set(figures) >= {"accuracy", "loss", "macro_f1"}
    assert "Over the 359 pictures of the test split." in html
    for name, row in found.details["per_class"].items():
        assert re.search(rf"<td>{name}</td>\s*<td[^>]*>{row['pictures']}</td>\s*<td[^>]*>{row['precision']:.3f}<", html)
    assert '<img src="confusion.png"' in html
    assert "digits: 200 train, 179 valid, 359 test pictures" in html
    assert "zoo pull hf:ann/digits\nzoo predict digits picture.png" in html
    assert f"<td>{zoo.load(run).record['versions']['torch']}</td>" in html
    words = "data.kind=digits data.limit=200 model.blocks=2 model.first=4 model.last=8 train.epochs=2"
    assert f"zoo train cnn {words} --device cpu\n" in html
    assert str(zoo.load(run).record["weights_sha256"]) in html


def test_without_an_evaluation_a_card_has_the_validation_metrics(run: Path) -> None:
    about, html = render(card_of(run, evaluation={}).write())
    assert "model-index" not in about
    assert "Over the 179 validation pictures" in html
    assert "By class" not in html


def test_a_card_of_a_training_without_validation_pictures_says_what_it_is(run: Path) -> None:
    opened = zoo.load(run)
    rows = [{**row, "valid": {}} for row in opened.log()]
    kept = kept_row(rows, opened.entry.train.model_dump())
    assert kept["epoch"] == 2, "the last epoch is kept"
    about, html = render(card_of(run, kept=kept).write())
    assert about["pipeline_tag"] == "image-classification"
    assert about["model-index"]
    assert "weights of epoch 2 of 2," in html


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.stages.codec.epochs=3", "train.stages.prior.epochs=7"], "epoch 5 of 7 (stage prior)"),
        (["train.minutes=75"], "epoch 5 in 75 minutes"),
    ],
)
def test_a_card_says_how_long_the_kept_weights_were_trained(run: Path, words: list[str], said: str) -> None:
    entry = load_entry("vae-nf-shapes" if "stages" in words[0] else "cnn", words)
    kept = {"epoch": 5, "stage": "prior", "valid": {}}
    assert said in card_of(run, entry=entry, kept=kept, evaluation={}).training()


def test_the_protocol_is_said(run: Path) -> None:
    card = card_of(run)
    more = {
        "judge": "judge (cnn)",
        "guidance": 1.5,
        "averaging": "8 draws",
        "data": "other",
        "overrides": ["model.draws=8"],
    }
    text = replace(card, evaluation={**card.evaluation, **more}, record={**card.record, "stored_as": "float16"}).write()
    assert "of other, predictions averaged over 8 draws, samples judged by `judge (cnn)`, guidance 1.5, with" in text
    assert "`model.draws=8`" in text
    assert "stored as float16" in text


def test_no_text_becomes_markup(run: Path) -> None:
    card = card_of(run)
    row = {"pictures": 1, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    for text in HOSTILE:
        data = {**card.record["data"], "classes": [text, *HOSTILE[:9]]}
        record = {**card.record, "data": data, "device": text, "command": text, "versions": {text: text, "torch": text}}
        evaluation = {**card.evaluation, "per_class": {text: row}, "judge": text, "averaging": text, "data": text}
        evaluation |= {"metrics": {text: 0.5, "accuracy": 0.5}, "overrides": [text]}
        entry = replace(card.entry, summary=text, name=text)
        about, html = render(replace(card, record=record, evaluation=evaluation, entry=entry).write())
        assert set(about) <= {"library_name", "tags", "pipeline_tag", "license", "datasets", "metrics", "model-index"}
        assert about["model-index"][0]["results"][0]["dataset"]["name"] == one_line(text)[:79] + "…" * (len(text) > 80)
        assert set(re.findall(r"<\s*/?\s*([a-zA-Z!][\w-]*)", html)) <= TAGS, text
        assert set(re.findall(r'(?:href|src)="([^"]*)"', html)) == {SOURCE}
        assert len(re.findall("<h2>", html)) == 5
        assert html.count("<pre>") == 3
        rows = [line for line in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL) if line.count("<td") == 5]
        assert len(rows) == 1, text


def test_a_hostile_command_stays_one_harmless_command() -> None:
    assert safe_command("zoo train cnn; rm -rf ~", "cnn") == "zoo train 'cnn;' rm -rf '~'"
    assert safe_command("zoo train cnn $(reboot) `x` | sh", "cnn") == "zoo train cnn '$(reboot)' '`x`' '|' sh"
    call = "zoo.train('cnn', 'a.b=x y', seed=3, out=__import__('os').system('x'), device=f(1))"
    assert safe_command(call, "cnn") == "zoo train cnn 'a.b=x y' --seed 3"
    assert safe_command("zoo.train(open('x'))", "cnn") == safe_command("zoo.train(", "cnn") == "zoo train cnn"
    assert safe_command("rm -rf /", "cnn") == safe_command("zoo 'train", "cnn") == "zoo train cnn"


def test_a_generator_has_samples_by_class(run: Path) -> None:
    card = card_of(run)
    rows = {"0": {"pictures": 3, "judge_right": 0.5, "frechet": 12.25, "coverage": float("nan")}}
    evaluation = {"split": "test", "pictures": 3, "metrics": {"frechet": 9.5, "odd": 1.0}, "samples_per_class": rows}
    text = replace(card, evaluation=evaluation, pictures=("samples.png",)).write()
    assert "| class | pictures | judged right | frechet |" in text
    assert "| 0 | 3 | 0.500 | 12.250 |" in text
    assert "The other metrics are in `evaluation.json`" in text
    assert "![Samples of each class](samples.png)" in text


def test_an_evaluation_of_older_weights_is_not_published(run: Path) -> None:
    for weights, published in (("0" * 64, False), (zoo.load(run).record["weights_sha256"], True)):
        write_json(run / "evaluation" / "test.json", zoo.evaluate(run).to_dict() | {"weights_sha256": weights})
        zoo.push(run, "b")
        assert Path("b/evaluation.json").exists() == published
        assert ("By class" in Path("b/README.md").read_text(encoding="utf-8")) == published


def test_a_run_on_other_packages_names_them(run: Path) -> None:
    opened = zoo.load(run)
    record = {**opened.record, "versions": {**opened.record["versions"], "zoo-acme": "1.2", "x; rm": "1", "y": "$(x)"}}
    text = Card(opened.entry, record, opened.kept_epoch(), "b.zip").write()
    assert "pip install pixel-zoo zoo-acme==1.2\nzoo pull b.zip\nzoo predict b picture.png" in text


def test_evaluate_says_of_which_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from zoo.cli import main

    assert main(["evaluate", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == Run.open(run).record["weights_sha256"]
