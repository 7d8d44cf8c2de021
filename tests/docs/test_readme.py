"""README is short, its setup is what CI looks for, and its table of entries is the registry's."""

from __future__ import annotations

import tomllib
from dataclasses import replace

from entrytable import README, lines, written
from pages import ROOT, pages

from zoo.registry.listing import EntryInfo


def test_it_is_short_and_the_setup_is_what_ci_looks_for() -> None:
    text = pages()["README.md"]
    assert len(text.splitlines()) <= 150
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert about["project"]["readme"] == "README.md"
    for mark, line in (
        ("quick start", "pip install . && zoo tune vae-nf"),
        ("tests", 'pip install -e ".[test]" && pytest -n 3'),
    ):
        assert f"<!-- {mark} -->\n```sh\n{line}\n```" in text


def test_the_table_of_entries_is_the_registrys() -> None:
    text = README.read_text(encoding="utf-8")
    assert written(text) == text, "write it anew with: nox -s written"


def test_the_table_says_what_is_stale_and_what_was_not_measured() -> None:
    about = EntryInfo("mine", "a | b", "cnn", "digits", "classifiers", [], [])
    assert list(lines(about)) == [("`mine`", "a \\| b", "digits", "", "not measured", "", "")]
    result = {"split": "test", "seed": 3, "parameters": 1234, "minutes": 0.0, "stale": True}
    old = result | {"data": "digits", "metrics": {"loss": 7.0, "frechet": 3.14, "judge_right": 0.5}, "guidance": 1.0}
    new = result | {"data": "digits", "metrics": {"loss": 0.1, "accuracy": 0.987}, "stale": False}
    other = old | {"data": "a folder"}
    first, second = lines(replace(about, results=[old, new, other]))
    assert first[2:] == ("digits", "1,234", "accuracy 98.7 %", "< 0.1", "3")
    reached = "Frechet distance 3.1, 50 % judged right, 7.00 bits per dimension, guidance 1 **(stale)**"
    assert second == ("", "", "a folder", "1,234", reached, "< 0.1", "3")
