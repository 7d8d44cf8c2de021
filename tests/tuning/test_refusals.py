"""Candidates over a limit are refused by the worker, and count as no trial."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from spaces import get

from zoo.registry.search.space import Space
from zoo.tuning.ledger import Ledger
from zoo.tuning.trial_worker import TrialOrder, read_pictures, smallest_model, try_trial

SMALL = ("data.kind=digits", "data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=1")


@pytest.mark.parametrize(
    ("limit", "what"),
    [({"max_params": 9}, "parameters"), ({"max_flops": 9}, "flops"), ({"max_latency": 1e-9}, "latency")],
)
def test_a_candidate_over_a_limit_counts_as_no_trial(home: Path, limit: dict[str, float], what: str) -> None:
    raw, entry = get(*SMALL, *(f"tune.{key}={value}" for key, value in limit.items()))
    Path("study").mkdir()
    ledger = Ledger(Path("study"), entry, entry.tune, Space.of(raw, entry, entry.tune.space, ()))
    trial = ledger.begin()
    assert trial
    about = {"number": 0, "folder": "study", "run": str(trial.run), "reported": 0, "metric": "loss", "device": "cpu"}
    order = TrialOrder(entry=ledger.entries[0].dump(), hang_timeout=300.0, command="zoo tune", **about, **limit)  # type: ignore[arg-type]
    verdict = json.loads(json.dumps(try_trial(order, read_pictures(entry), lambda row: None)))
    assert verdict.pop("state") == "refused" and verdict["over"][what] > 1
    verdict.pop("noisy", None)
    ended = ledger.end(0, "refused", **verdict)
    assert (ended.state, ledger.study.ended, ledger.remaining()) == ("refused", 0, entry.tune.trials)
    assert "exceed the budget of" in ended.reason and not trial.run.exists()
    ledger.close()
    kept = optuna.load_study(storage="sqlite:///study/study.db", study_name="study").trials[0]
    assert kept.state == optuna.trial.TrialState.PRUNED and what in str(kept.system_attrs | kept.user_attrs["over"])


def test_the_smallest_model_is_found_by_its_flops(home: Path) -> None:
    raw, entry = get(*SMALL[:2], "model.blocks=2", "model.last=8")
    space = Space.of(raw, entry, {"model.first": "4..8"}, ())
    info = read_pictures(entry)["info"]
    found = smallest_model(entry.dump(), space, info, "FLOPs per picture")
    assert found and found[1]["model.first"] == 4
