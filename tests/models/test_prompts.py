"""Prompts: texts with weights, told from names that hold signs and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.core.errors import ZooError
from zoo.models.prompts import Part, parse_prompt


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("cat", [(1, "cat")]),
        ("  a black cat ", [(1, "a black cat")]),
        ("cat + tree", [(0.5, "cat"), (0.5, "tree")]),
        ("cat+tree", [(0.5, "cat"), (0.5, "tree")]),
        ("0.7 cat + 0.3 truck", [(0.7, "cat"), (0.3, "truck")]),
        ("7 cat + 3*truck", [(0.7, "cat"), (0.3, "truck")]),
        (".5 * cat + 0.5 ankle boot", [(0.5, "cat"), (0.5, "ankle boot")]),
        ("cat - 0.5 dog", [(1, "cat"), (-0.5, "dog")]),
        ("- dog + 2 cat", [(-0.5, "dog"), (1, "cat")]),
        ("-0.5 dog + cat", [(-0.5, "dog"), (1, "cat")]),
        ("3 + 8", [(0.5, "3"), (0.5, "8")]),
        ("3", [(1, "3")]),
        ("0.7 3 + 0.3 8", [(0.7, "3"), (0.3, "8")]),
        ("C++ + T-shirt/top", [(0.5, "C++"), (0.5, "T-shirt/top")]),
        ("C++", [(1, "C++")]),
        ("7 dwarfs", [(1, "7 dwarfs")]),
        ("2 7 dwarfs + a - b", [(1, "2 7 dwarfs + a - b")]),
        ("T-shirt", [(1, "T-shirt")]),
        ("1e-1 cat + 0.9 dog", [(0.1, "cat"), (0.9, "dog")]),
        ("8 -3", [(1, "8"), (-1, "3")]),
        ("cat -0.5 dog", [(1, "cat"), (-0.5, "dog")]),
        ("cat + -0.5 dog", [(1, "cat"), (-0.5, "dog")]),
        ("cat \u2212 dog", [(1, "cat"), (-1, "dog")]),
        ("3 * 8 + 8", [(0.75, "8"), (0.25, "8")]),
        ("c++ + t-shirt/top", [(0.5, "c++"), (0.5, "t-shirt/top")]),
    ],
)
def test_what_a_prompt_says(prompt: str, expected: list[tuple[float, str]]) -> None:
    found = parse_prompt(prompt, ["3", "8", "C++", "T-shirt/top", "7 dwarfs", "2 7 dwarfs + a - b"])
    assert [part.text for part in found] == [text for _, text in expected]
    assert [part.weight for part in found] == pytest.approx([weight for weight, _ in expected])


WRONG = ["", " ", "+", "cat +", "+ cat", "+ + cat", "0 cat", "-cat", "- 1 cat - dog", "x" * 1001, "1e999 a", "3 8"]


@pytest.mark.parametrize("prompt", [*WRONG, "a - 1e9 b"])
def test_what_is_no_prompt(prompt: str) -> None:
    with pytest.raises(ZooError):
        parse_prompt(prompt, ["3", "8"])


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_prompt_or_one_error(prompt: str) -> None:
    try:
        parts = parse_prompt(prompt, ["3", "C++"])
    except ZooError:
        return
    assert sum(part.weight for part in parts if part.weight > 0) == pytest.approx(1)
    assert all(part.text.strip() == part.text != "" for part in parts)


def test_texts_in_quotes_keep_signs_and_numbers() -> None:
    """A caption may contain what would be a sign or a weight."""
    assert parse_prompt('"2 cats - 1 dog"') == [Part(1.0, "2 cats - 1 dog")]
    assert parse_prompt('"cat + dog" + 3 "a - b"') == [Part(0.25, "cat + dog"), Part(0.75, "a - b")]
    assert parse_prompt('cat - 0.5 "3 dogs"') == [Part(1.0, "cat"), Part(-0.5, "3 dogs")]
    with pytest.raises(ZooError, match="has no text"):
        parse_prompt('""')


def test_a_known_text_of_any_length_is_a_prompt() -> None:
    assert parse_prompt("a cat " * 200, [("a cat " * 200).strip()]) == [Part(1.0, ("a cat " * 200).strip())]


def test_numbers_that_are_words_of_captions_are_weights_only_before_a_star() -> None:
    """Other numbers stay weights."""
    numbers = ("2",)
    assert parse_prompt("2 cats", (), numbers) == [Part(1.0, "2 cats")]
    assert parse_prompt("2 * cats + dog", (), numbers) == [Part(2 / 3, "cats"), Part(1 / 3, "dog")]
    assert parse_prompt("3 cats + 2 dogs", (), numbers) == [Part(0.75, "cats"), Part(0.25, "2 dogs")]
    assert parse_prompt("a cat - on a mat", ["a cat - on a mat"]) == [Part(1.0, "a cat - on a mat")]
