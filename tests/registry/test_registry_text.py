"""Registry files with recorded results: read as JSON lines, with the same result as by the YAML parser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.core.errors import ZooError
from zoo.core.yaml import MAX_CHARACTERS, parse
from zoo.registry.layers import read_registry, shipped_registry
from zoo.registry.registry_text import find_rows, parse_registry
from zoo.registry.results import append_result

ROW = '{"entry": "cnn", "of": "ad868311", "metrics": {"loss": 0.5, "worst": 1e-9}, "seed": 3, "note": "\u00e9 # {}"}'
HEAD = "version: 1\nentries:\n  a: {extends: cnn}\n"

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}results:\n  - {ROW}\n  - {ROW}\n",
        f"results:\n - {ROW}",
        f"{HEAD}results:\n\n  # newest last\n  - {ROW}\n\n",
        f"{HEAD}results:\n  - {ROW}  # typed by hand\n",
        f"{HEAD}results:\n  - entry: cnn\n    of: x\n    metrics: {{loss: 1}}\n",
        f"{HEAD}results: []\n",
        f"results:\n  - {ROW}\nentries: {{}}\nversion: 1\n",
        f"{HEAD}results:\n",
    ],
)
def test_it_is_what_the_yaml_parser_reads(text: str) -> None:
    assert parse_registry(text, "r.yaml").data == parse(text, "r.yaml").data


def test_the_shipped_results_are_read_as_json() -> None:
    text = shipped_registry().read_text(encoding="utf-8")
    assert find_rows(text) is not None
    fast, slow = parse_registry(text, "registry.yaml"), parse(text, "registry.yaml")
    assert fast.data == slow.data
    assert fast.where["results", "3", "entry"] == slow.where["results", "3", "entry"]
    assert fast.where["entries", "cnn", "model"] == slow.where["entries", "cnn", "model"]


@pytest.mark.parametrize(
    "row",
    [
        '{"entry": "a", "entry": "b", "of": "x", "metrics": {}}',
        '{"entry": "a", "of": "x", "metrics": {"loss": 1e999}}',
        '{"entry": "a", "of": "x", "metrics": {"loss": 123456789012345678901234567890}}',
        '{"": "a", "of": "x", "metrics": {}}',
        '{"entry": "a\u0085", "of": "x"',
        "[" * 3000,
    ],
)
def test_what_the_yaml_parser_refuses_is_refused(row: str) -> None:
    with pytest.raises(ZooError, match=r"r\.yaml:?"):
        parse_registry(f"{HEAD}results:\n  - {ROW}\n  - {row}\n", "r.yaml")


def test_a_mistake_in_the_entries_names_its_line() -> None:
    with pytest.raises(ZooError, match=r"^r\.yaml:3: "):
        parse_registry(f"version: 1\nentries:\n  a: *b\nresults:\n  - {ROW}\n", "r.yaml")


def test_a_registry_takes_results_beyond_the_limit_of_yaml(home: Path) -> None:
    path = home / "registry.yaml"
    count = 5 * MAX_CHARACTERS // len(ROW)
    path.write_text(f"{HEAD}results:\n" + f"  - {ROW}\n" * count, encoding="utf-8")
    append_result(path, json.loads(ROW) | {"seed": 9})
    registry, _ = read_registry()
    assert len([row for row in registry.results if row.get("seed") == 3]) >= count
    assert registry.results[-1]["seed"] == 9
