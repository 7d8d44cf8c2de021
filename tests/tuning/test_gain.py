"""What a study says about its gain over the entry, and about the noise of seeds."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spaces import get
from studies import study, trial

from zoo.cli import main
from zoo.registry.search.space import Space
from zoo.tuning.confirm import ConfirmLedger
from zoo.tuning.gain import candidates, confirmations, gain_document, gain_lines
from zoo.tuning.ledger import Ledger
from zoo.tuning.starts import choose_starts
from zoo.tuning.study import ENTRY, Study, Trial
from zoo.tuning.study_folder import StudyPlan, open_study, write_budget, write_plan

pytestmark = pytest.mark.usefixtures("home")


def of(*losses: float, entry: int = 0, **options: Any) -> Study:
    """A made-up study with these losses, whose trial number `entry` is the entry."""
    found = study(budget=len(losses), **options)
    trials = []
    for number, loss in enumerate(losses):
        metrics = {"loss": loss, "accuracy": 1 - loss}
        objective = {"accuracy": 1 - loss, "efficiency": 1 / (loss * 1000 * (number + 1))}.get(
            found.spec.objective, loss
        )
        about: dict[str, Any] = {
            "loss": loss,
            "objective": objective,
            "metrics": metrics,
            "parameters": 1000 * (number + 1),
        }
        trials.append(trial(number, **about, start=ENTRY if number == entry else ""))
    return replace(found, trials=trials)


def repeated(number: int, seed: int, loss: float) -> Trial:
    """A training of a trial with another seed."""
    return trial(number, loss=loss, metrics={"loss": loss, "accuracy": 1 - loss}, confirms=(number, seed))


def test_the_gain_is_said_in_the_objective() -> None:
    assert next(gain_lines(of(0.06, 0.05))) == (
        "t00001 beats the entry as it stands (t00000) on validation: loss 0.05 against 0.06 (-0.01, -16.7 %)"
    )
    assert "accuracy 0.95 against 0.94 (0.01, +1.06 %)" in next(gain_lines(of(0.06, 0.05, objective="accuracy")))
    assert "-3" in next(gain_lines(of(-1.0, -4.0))) and "%" not in next(gain_lines(of(-1.0, -4.0)))
    pareto = next(gain_lines(of(0.5, 0.5, entry=1, objective="pareto")))
    assert "loss 0.5 against 0.5" in pareto and "parameters 1,000 against 2,000" in pareto
    assert list(gain_lines(of(0.04, 0.05))) == ["no trial beats the entry as it stands (t00000)"]
    assert gain_document(of(0.06, 0.05)) == {
        "entry": 0,
        "best": 1,
        "figures": [{"figure": "loss", "best": 0.05, "entry": 0.06}],
        "seeds": None,
    }


def test_without_the_entry_nothing_is_compared() -> None:
    older = of(0.06, 0.05, entry=9)
    assert list(gain_lines(older)) == [] and gain_document(older) is None
    found = of(0.06, 0.05)
    broken = replace(found, trials=[replace(found.trials[0], state="diverged", reason="not finite"), *found.trials[1:]])
    assert list(gain_lines(broken)) == [
        "the entry as it stands (t00000) has no result to compare with: diverged, not finite"
    ]
    assert candidates(broken) == broken.trials[1:]


@pytest.mark.parametrize(("more", "verdict"), [((0.051, 0.049), "more than"), ((0.075, 0.04), "within")])
def test_a_gain_is_compared_with_the_noise_of_seeds(more: tuple[float, float], verdict: str) -> None:
    found = of(0.06, 0.05, 0.055, 0.07)
    assert [each.number for each in candidates(found)] == [1, 2, 0]
    trials = [repeated(0, 1, 0.061), repeated(1, 1, more[0]), repeated(0, 2, 0.059), repeated(1, 2, more[1])]
    found = replace(found, confirmed=[*trials, replace(repeated(2, 1, 9.9), state="diverged")])
    best, entry = confirmations(found)
    assert (best.values, best.seeds, entry.values) == ([0.05, *more], [0, 1, 2], [0.06, 0.061, 0.059])
    assert best.mean == pytest.approx(statistics.mean(best.values))
    assert best.std == pytest.approx(statistics.stdev(best.values))
    assert list(gain_lines(found))[-1].endswith(f", {verdict} the noise of seeds")
    seeds = (gain_document(found) or {})["seeds"]
    assert seeds["clear"] is (verdict == "more than") and seeds["value"] == pytest.approx(best.mean - 0.06)


def finish(ledger: Ledger, loss: float) -> Trial:
    """Take one more training to its end."""
    found = ledger.begin()
    assert found
    ledger.report(found.number, 1, loss, parameters=100, epochs=1)
    return ledger.end(found.number, "done", metrics={"loss": loss}, parameters=100, seconds=1.0)


def test_trainings_that_confirm_are_planned_once_and_outlive_a_kill(capsys: pytest.CaptureFixture[str]) -> None:
    raw, entry = get("tune.trials=4", "tune.max_params=10", "train.seed=7")
    space, folder = Space.of(raw, entry, entry.tune.space, ()), Path("runs/new").absolute()
    folder.mkdir(parents=True)
    starts = tuple(start.record() for start in choose_starts(space, entry, None))
    write_plan(
        folder, StudyPlan.of(entry.dump(), entry.tune.model_copy(update={"startup": 1}), space.describe()), "zoo"
    )
    write_budget(folder, entry.tune)
    ledger = Ledger(folder, entry, entry.tune, space, starts)
    for loss in (0.3, 0.1, 0.2, 0.4):
        finish(ledger, loss)
    more = ConfirmLedger(ledger)
    assert more.remaining() == 6 and more.spec.max_params is None
    first = finish(more, 0.11)
    assert (first.run.name, first.confirms) == ("t00001-seed8", (1, 8))
    assert more.begin() is not None
    started = more.entries[1]
    assert started.train.seed == 8 and first.config == ledger.trials[1].config
    more.close()  # killed
    more = ConfirmLedger(ledger)
    assert more.waiting() == [1] and more.remaining() == 5
    resumed = more.resume(1, blame=False)
    assert resumed and more.entries[1].dump() == started.dump() and (resumed.epoch, resumed.attempts) == (0, 2)
    more.end(1, "done", metrics={"loss": 0.2}, parameters=100, seconds=1.0)
    while more.remaining():
        finish(more, 0.25)
    assert {trial.confirms for trial in more.study.trials} == {(n, seed) for n in (0, 1, 2) for seed in (8, 9)}
    more.close()
    ledger.spec = ledger.spec.model_copy(update={"trials": 5})
    finish(ledger, 0.05)  # the study grows
    more = ConfirmLedger(ledger)
    assert more.remaining() == 2 and more.pairs[-1][0] in (0, 1, 4)
    more.close()
    ledger.close()
    found = open_study(folder)
    assert len(found.confirmed) == 6 and len(found.trials) == 5
    assert main(["studies", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["studies"]
    kept = {each["number"]: (each["seeds"], each["values"]) for each in row["confirmed"]}
    assert kept[1] == ([7, 8, 9], [0.1, 0.11, 0.25])
    assert row["entry_trial"]["number"] == 0 and row["gain"]["best"] == 4
