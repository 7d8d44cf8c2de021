"""The conformance kit: a deliberately bad plugin trips every rule by name, a good one none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import bad
import pyarrow as pa
import pytest
from pyarrow import parquet
from samples import BLUE, RED, encoded, write

from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.testing.check import Check, Finding, checks_of
from zoo.testing.rule import PLUGIN, rules


@pytest.fixture
def plugin(install: Install) -> Path:
    """The bad plugin."""
    path = install("bad", bad.PLUGIN, harmless=True)
    path.with_name("bad-entries.yaml").write_text(bad.ENTRIES, encoding="utf-8")
    return path


def check_of(name: str, rule: str, *options: str) -> Check:
    """The check of a rule for a kind."""
    return next(check for check in checks_of(name, *options) if check.rule.name == rule)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("wrong", bad.WRONGS, ids=lambda wrong: f"{wrong.kind}-{wrong.rule}")
def test_each_wrong_trips_its_rule(wrong: bad.Wrong) -> None:
    found = check_of(f"bad:{wrong.kind}", wrong.rule, *([f"how={wrong.how}"] if wrong.how else [])).find()
    assert (found.state, found.rule) == ("broken", wrong.rule)
    assert wrong.says in found.why


def test_every_rule_of_kinds_has_something_that_trips_it() -> None:
    assert {rule.name for rule in rules() if PLUGIN not in rule.families} == {wrong.rule for wrong in bad.WRONGS}


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("kind", bad.FINE)
def test_what_does_no_wrong_breaks_no_rule(kind: str) -> None:
    found = [check.find() for check in checks_of(f"bad:{kind}")]
    assert [finding for finding in found if finding.state in {"broken", "not run"}] == []
    assert sum(finding.state == "holds" for finding in found) >= 5


@pytest.mark.usefixtures("plugin")
def test_the_command_names_what_is_broken_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "bad:bad-metric", "how=nan", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    states = {finding["rule"]: finding["state"] for finding in found["findings"]}
    assert states["figures"] == "broken" and states["documented"] == "holds"
    assert states["search-range"] == "holds"
    assert (found["ran"], found["broken"]) == (len(states), sum(state == "broken" for state in states.values()))
    assert main(["check", "bad:bad-metric", "how=nan"]) == 1
    shown = capsys.readouterr().out
    assert "bad:bad-metric: figures is broken: JSON of the figures" in shown
    assert f"{found['ran']} rules ran" in shown


RUDE = """
import torch, zoo
torch.set_default_dtype(torch.float64)
print("hello")
class Options(zoo.Spec):
    '''None.'''
def build(spec, info):
    global build
    build = print
    raise zoo.ZooError("no")
@zoo.hookimpl
def zoo_models(): return [zoo.ModelKind("rude", Options, build)] if build is not print else []
"""


PARTIAL = """
import functools, zoo
class Options(zoo.Spec):
    '''None.'''
def compute(factor, spec, given):
    return {"factor": factor}
@zoo.hookimpl
def zoo_metrics(): return [zoo.MetricKind("partial", Options, functools.partial(compute, 2.0), "a number")]
"""


def test_each_wrong_of_a_plugin_trips_its_rule(install: Install) -> None:
    install("rude", RUDE)
    found = {check.rule.name: check.find() for check in checks_of("rude") if not check.subject.kind}
    assert found.keys() == {rule.name for rule in rules() if PLUGIN in rule.families}
    says = {"same-hooks": "yield a different rude", "light-import": "imports torch", "quiet-import": "prints 'hello'"}
    assert {name for name, finding in found.items() if finding.state == "broken"} == says.keys()
    assert all(text in found[name].why for name, text in says.items())
    install("partial", PARTIAL)
    assert check_of("partial", "same-hooks").find().state == "holds"
    install("empty", "import zoo\n@zoo.hookimpl\ndef zoo_models(): return []\n")
    assert "yield nothing" in check_of("empty", "loads").find().why


@pytest.mark.usefixtures("plugin")
def test_a_plugin_is_checked_with_its_entries(capsys: pytest.CaptureFixture[str]) -> None:
    entries = check_of("zoo-bad", "entries").find()
    assert entries.state == "broken" and "bad-entry.model.widht is not an option" in entries.why
    assert check_of("metrics", "entries").find().state == "does not apply"
    assert {check_of("metrics", rule).find().state for rule in ("loads", "light-import", "quiet-import")} == {"holds"}


def test_what_cannot_be_tried_is_told_and_no_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "data:folder", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    asked = next(finding for finding in found["findings"] if finding["rule"] == "announced")
    assert asked["state"] == "not run"
    assert "path is required" in asked["why"] and "zoo check data:folder path=VALUE" in asked["why"]
    assert found["not_run"] >= 3
    assert main(["check", "data:folder", f"path={home / 'nowhere'}"]) == 0
    assert "announced not run: " in capsys.readouterr().out


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--rules", "--json"]) == 0
    listed = {row["rule"] for row in json.loads(capsys.readouterr().out)["rules"]}
    assert listed == {rule.name for rule in rules()} >= {"gradients", "saves", "entries"}


def test_wrong_names_and_options_are_one_line(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("raises", "raise ValueError('no luck')")
    with pytest.raises(ZooError, match=r"no plugin and no kind 'cmn'; did you mean 'cnn'\?"):
        checks_of("cmn")
    with pytest.raises(ZooError, match="options need a single kind, but metrics has"):
        checks_of("metrics", "bins=3")
    with pytest.raises(ZooError, match="'bins' is not of the form key=value"):
        checks_of("calibration", "bins")
    (broken,) = checks_of("raises")
    assert broken.find() == Finding("raises", "plugin", "loads", "broken", "ValueError: no luck")
    assert main(["check", "calibration", "bins=-1"]) == 1
    assert "bins: Input should be greater" in capsys.readouterr().out


AUTHORS = """
from zoo.testing import checks

@checks("bad:bad-metric", "how=nan")
def test_it_conforms(check): check()

@checks("data:folder")
def test_pictures(check): check()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("plugin")
def test_authors_have_every_rule_as_a_test(home: Path) -> None:
    (home / "test_authors.py").write_text(AUTHORS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rsf", "-p", "no:cacheprovider", "test_authors.py"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout
    assert "test_it_conforms[bad:bad-metric-(metric):-figures]" in done.stdout
    assert "Broken: JSON of the figures" in done.stdout
    assert "path is required" in done.stdout
    assert re.search(r"2 failed, \d+ passed, \d+ skipped", done.stdout), done.stdout[-300:]


FIRST_PARTY = [
    ("classifiers",),
    ("timm:timm", "architecture=resnet10t"),
    ("codecs:vae", "width=8", "blocks=1"),
    ("codecs:vq-vae", "width=8", "blocks=1"),
    ("priors",),
    ("text",),
    ("metrics",),
    ("judges",),
    ("data:digits",),
    ("data:folder", "path=folder"),
    ("data:parquet", "path=parquet"),
]
"""All of the zoo's own, with what they need, and small where that is much quicker; without what must be downloaded."""


@pytest.mark.slow
@pytest.mark.parametrize("words", FIRST_PARTY, ids=lambda words: words[0])
def test_the_zoos_own_keep_all_rules(words: tuple[str, ...], home: Path) -> None:
    for name, color in (("red", RED), ("blue", BLUE)):
        for number in range(6):
            write(home / "folder" / name / f"{number}.png", encoded(color))
    images = [{"bytes": encoded(color), "path": ""} for color in (RED, BLUE)] * 6
    (home / "parquet").mkdir()
    parquet.write_table(pa.table({"img": images, "label": [0, 1] * 6}), home / "parquet" / "train.parquet")
    found = [check.find() for check in checks_of(*words)]
    assert [finding for finding in found if finding.state == "broken"] == []
    missing = {finding.subject for finding in found if finding.state == "not run"}
    assert missing <= {"judges:inception"}, "whose weights must be downloaded"
