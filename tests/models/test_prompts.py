"""Prompts: texts with weights, told from names that hold signs and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.core.errors import ZooError
from zoo.models.prompts import parse_prompt


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
