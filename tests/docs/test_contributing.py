"""CONTRIBUTING is short, and its commands are the sessions of noxfile.py, which CI calls too."""

from __future__ import annotations

import ast
import re
import tomllib

from pages import ROOT, pages

TEXT = pages()["CONTRIBUTING.md"]


def sessions() -> set[str]:
    """The names of the sessions in noxfile.py."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name for node in functions if "nox.session" in map(ast.unparse, node.decorator_list)}


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= 90


def test_it_names_each_session_and_no_other() -> None:
    assert set(re.findall(r"`nox -s (\w+)", TEXT)) == sessions()


def test_ci_calls_the_same_sessions() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (called,) = re.findall(r"^nox --no-venv -s (.*)$", script, re.MULTILINE)
    assert set(called.split()) == {"lint", "types", "docs"} <= sessions()


def test_folders_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:zoo|plugins|docs|tests|examples|changelog\.d)(?:/[\w.]+)*/?)`", TEXT)
    assert len(named) > 10
    there = [path for path in named if path == path.lower() and path != "docs/_build"]
    assert [path for path in there if not (ROOT / path).exists()] == []


def test_fragments_of_the_changelog_have_a_kind_that_towncrier_knows() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    kinds = {kind["directory"] for kind in about["type"]}
    names = [path.name for path in (ROOT / about["directory"]).iterdir()]
    assert names and all(re.fullmatch(rf"[\w+-]+\.({'|'.join(kinds)})\.md|\.gitkeep", name) for name in names)
    assert about["start_string"] in pages()["CHANGELOG.md"]
    assert all(f"`{kind}`" in TEXT for kind in kinds)
