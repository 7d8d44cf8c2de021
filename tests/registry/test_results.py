"""Recorded results: appended as one line, stale when the entry changes, refused where the text would not survive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.core.errors import JobError, ZooError
from zoo.core.yaml import parse
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import read_registry, shipped_registry
from zoo.registry.results import append_result, make_result, results_of

pytestmark = pytest.mark.usefixtures("home")
RECORD = {"parameters": 875592, "seconds": 90.0, "device": "cpu", "zoo": "0.1.0"}
EVALUATION = {"metrics": {"loss": 0.123456789, "accuracy": 0.97}, "split": "test", "averaging": "8 region draws"}


def entry(*overrides: str) -> Entry:
    """The shipped cnn with overrides."""
    return resolve_entry(read_registry()[0].resolve("cnn", overrides))


def result(**values: Any) -> dict[str, Any]:
    """A result of the shipped cnn."""
    return make_result(entry(), "digits", EVALUATION, RECORD) | values


def test_a_result_goes_stale_when_the_entry_changes() -> None:
    row = result()
    assert row["metrics"] == {"loss": 0.12346, "accuracy": 0.97}
    assert (row["averaging"], row["minutes"], row["seed"]) == ("8 region draws", 1.5, 0)
    rows = [row, dict(row), result(entry="other"), result(seed=1)]
    assert [found["stale"] for found in results_of(entry(), rows)] == [False, False]
    assert [found["seed"] for found in results_of(entry("data.limit=9", "train.seed=4"), rows)] == [0, 1]
    assert [found["stale"] for found in results_of(entry("train.epochs=9999"), rows)] == [True, True]
    assert [found["stale"] for found in results_of(entry("model.first=47"), rows)] == [True, True]


def test_a_figure_that_is_not_finite_is_not_recorded() -> None:
    with pytest.raises(JobError, match="metric 'loss' is not finite"):
        make_result(entry(), "digits", {"metrics": {"loss": float("nan")}, "split": "test"}, RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n",
        "version: 1",
        "version: 1\nentries: {}\nresults:\n",
        "version: 1\nresults: []\n# the end\n",
        "version: 1\nresults: null\n",
        "version: 1\nresults:   # newest last\n\n  # the first\n  - {entry: a, of: b, metrics: {}}\n",
        "version: 1\nresults:\n- {entry: a, of: b, metrics: {}}\n",
        "version: 1\nresults:\n    - entry: a\n      of: b\n      metrics:\n        loss: 1\n\n\n",
        "# café\nversion: 1\nresults:\n  - {entry: a, of: b, metrics: {}}  # good\n  # the end",
        "version: 1\nresults:\r\n  - {entry: a, of: b, metrics: {}}\r\n",
    ],
)
def test_append_keeps_the_rest(text: str, home: Path) -> None:
    path = home / "registry.yaml"
    path.write_bytes(text.encode())
    before = parse(text, "x").data
    append_result(path, result(device="GeForce \u2122 \U0001f600 'x': #"))
    append_result(path, result(seed=2))
    found = parse(path.read_text(encoding="utf-8"), "x").data
    assert [row.get("seed") for row in found.pop("results")[-2:]] == [0, 2]
    assert found == {key: value for key, value in before.items() if key != "results"}
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")
    ]
    assert "cnn" in read_registry()[0].entries


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_append_keeps_line_ends_and_byte_order_mark(mark: str, end: str, home: Path) -> None:
    path = home / "registry.yaml"
    path.write_bytes((mark + end.join(["version: 1", "# mine", ""])).encode())
    append_result(path, result())
    append_result(path, result(seed=2))
    text = path.read_bytes().decode()
    assert text.startswith(f"{mark}version: 1{end}# mine{end}results:{end}")
    assert text.count("\n") == text.count(end) == 5
    assert len(read_registry([path])[0].results) >= 2


def test_a_new_file(home: Path) -> None:
    append_result(home / "new.yaml", result())
    found, _ = read_registry([home / "new.yaml"])
    assert results_of(entry(), found.results)[-1] == result(stale=False)


def test_the_shipped_file_can_be_appended_to(home: Path) -> None:
    text = shipped_registry().read_text(encoding="utf-8")
    (home / "registry.yaml").write_text(text, encoding="utf-8")
    append_result(home / "registry.yaml", result())
    new = (home / "registry.yaml").read_text(encoding="utf-8")
    assert new.startswith(text.rstrip("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nresults: [{entry: a, of: b, metrics: {}}]\n",
        "version: 1\nresults:\n  - {entry: a, of: b, metrics: {}}\nentries: {}\n",
        "version: 1\nresults:\n  - {entry: a, of: b,\n     metrics: {}}\n...\n",
        "- 1\n",
        "",
        "a: [",
        "entries: {}\n",
        "version: 1\nresults: {}\n",
    ],
)
def test_a_file_that_cannot_be_appended_to_stays_as_it_is(text: str, home: Path) -> None:
    path = home / "f.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ZooError) as caught:
        append_result(path, result())
    assert "f.yaml" in str(caught.value)
    assert path.read_text(encoding="utf-8") == text


def test_a_path_that_is_no_file(home: Path) -> None:
    with pytest.raises(ZooError, match="cannot add a result to"):
        append_result(home, result())
    (home / "latin.yaml").write_bytes(b"version: 1 # caf\xe9")
    with pytest.raises(ZooError, match="cannot add a result to"):
        append_result(home / "latin.yaml", result())
