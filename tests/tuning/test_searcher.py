"""Drawing: every sampler stays on every grid, ends included, and goes on where an interrupted study stopped."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any, Literal

import optuna
import pytest
from optuna.trial import TrialState
from spaces import check, made_up_space

from zoo.core.sections import TuneSpec
from zoo.core.spec import Choice, Mark, Range
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.space import Space
from zoo.registry.search.syntax import format_range, parse_text
from zoo.tuning.ledger import make_sampler, trial_seed

Sampler = Literal["tpe", "random", "gp", "nsga2"]
pytestmark = pytest.mark.filterwarnings("error::UserWarning:optuna")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def tell(study: optuna.Study, trial: optuna.Trial, random: Random, constrained: str = "none") -> None:
    """A made-up end of a trial; of those that are complete all have a constraint or none, as GPSampler wants it."""
    fate = random.random()
    pruned = 0.1 < fate < 0.3 and len(study.directions) == 1
    if constrained == "all" or (constrained == "pruned" and pruned):
        trial.set_constraint("size", random.gauss(0, 1))
    if fate <= 0.1:
        study.tell(trial, state=TrialState.FAIL)
    elif pruned:
        trial.report(random.gauss(0, 1), 1)
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, [random.gauss(0, 1) for _ in study.directions])


@pytest.mark.parametrize(
    ("sampler", "spaces", "trials"),
    [("random", 40, 40), ("tpe", 6, 24), ("nsga2", 15, 40), pytest.param("gp", 3, 12, marks=pytest.mark.slow)],
)
def test_every_sampler_draws_what_lies_on_the_grid(sampler: Sampler, spaces: int, trials: int) -> None:
    drawn = 0
    for seed in range(spaces):
        random = Random(f"{sampler}{seed}")
        wanted = made_up_space(random)
        spec = TuneSpec(sampler=sampler, startup=random.choice([0, 5]), seed=seed)
        study = optuna.create_study(directions=["minimize"] * random.choice([1, 1, 2]))
        dimensions = {one.path: one for one in wanted.dimensions}
        for number in range(trials):
            study.sampler = make_sampler(spec, number)
            trial = study.ask()
            config = wanted.sample(trial)
            assert set(dimensions) - set(config) == (set() if config["switch"] == "x" else {"c0", "c1"})
            for path, value in config.items():
                check(dimensions[path], value)
            drawn += len(config)
            tell(study, trial, random, ("none", "all", "pruned")[seed % 3])
    assert drawn > 5 * spaces * trials


def draws(marks: dict[str, tuple[Mark, bool]], many: int) -> dict[str, Counter[Any]]:
    """How often each value was drawn at random."""
    wanted = Space(tuple(Dimension(name, mark, name, integer) for name, (mark, integer) in marks.items()), {}, {})
    study = optuna.create_study()
    found: dict[str, Counter[Any]] = {name: Counter() for name in marks}
    for number in range(many):
        study.sampler = make_sampler(TuneSpec(sampler="random", seed=3), number)
        for name, value in wanted.sample(study.ask()).items():
            found[name][value] += 1
    return found


def test_ends_are_as_likely_as_the_rest() -> None:
    marks: dict[str, tuple[Mark, bool]] = {
        "int": (Range(1, 8), True),
        "one": (Range(1, 8, step=1), True),
        "float one": (Range(1.0, 8.0, step=1.0), False),
        "int step": (Range(32, 48, step=2), True),
        "cut": (Range(1, 8, step=2), True),
        "float step": (Range(0.1, 0.6, step=0.1), False),
        "choice": (Choice("a", None, True), False),
    }
    values: dict[str, list[Any]] = {
        "int": [1, 2, 3, 4, 5, 6, 7, 8],
        "one": [1, 2, 3, 4, 5, 6, 7, 8],
        "float one": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        "int step": [32, 34, 36, 38, 40, 42, 44, 46, 48],
        "cut": [1, 3, 5, 7],
        "float step": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        "choice": ["a", None, True],
    }
    many = 1200
    for name, found in draws(marks, many).items():
        assert set(found) == set(values[name])
        share = 1 / len(found)
        for value, times in found.items():
            assert abs(times - many * share) < 4 * sqrt(many * share * (1 - share)), (name, value, times)


def test_logarithmic_grids_reach_their_ends_and_favour_the_low_one() -> None:
    marks: dict[str, tuple[Mark, bool]] = {
        "int": (Range(1, 4, log=True), True),
        "int step": (Range(8, 40, step=8, log=True), True),
        "float step": (Range(0.1, 0.5, step=0.1, log=True), False),
        "off": (Range(3, 12, step=2, log=True), True),
    }
    found = draws(marks, 600)
    assert sorted(found["int"]) == [1, 2, 3, 4]
    assert sorted(found["int step"]) == [8, 16, 24, 32, 40]
    assert sorted(found["float step"]) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert sorted(found["off"]) == [3, 5, 7, 9, 11]
    for name, (mark, integer) in marks.items():
        low, high = Dimension(name, mark, name, integer).bounds()
        assert found[name][low] > 1.5 * found[name][high] > 0


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "gp"])
def test_a_study_that_is_resumed_draws_what_an_undisturbed_one_draws(sampler: Sampler, tmp_path: Path) -> None:
    wanted = made_up_space(Random(5))
    spec = TuneSpec(sampler=sampler, startup=4, seed=11)

    def run(path: Path, stops: set[int]) -> list[dict[str, Any]]:
        storage = f"sqlite:///{path}"
        study, drawn = optuna.create_study(study_name="s", storage=storage), []
        for number in range(14 if sampler == "nsga2" else 9):
            if number in stops:
                study = optuna.load_study(study_name="s", storage=storage)
            study.sampler = make_sampler(spec, number)
            trial = study.ask()
            drawn.append(wanted.sample(trial))
            tell(study, trial, Random(number))
        return drawn

    undisturbed = run(tmp_path / "one.db", set())
    assert run(tmp_path / "two.db", {1, 6, 8}) == undisturbed
    assert len({str(config) for config in undisturbed}) > 7


def losses(sampler: Sampler, trials: int) -> list[float]:
    """What a study of a bowl finds, from the first trial that is not random."""
    wanted = Space((Dimension("x", Range(0.0, 1.0), "x"), Dimension("y", Range(0, 100), "y", True)), {}, {})
    study = optuna.create_study()
    for number in range(trials):
        study.sampler = make_sampler(TuneSpec(sampler=sampler), number)
        trial = study.ask()
        config = wanted.sample(trial)
        study.tell(trial, (config["x"] - 0.3) ** 2 + (config["y"] / 100 - 0.7) ** 2)
    return [trial.values[0] for trial in study.trials[10:]]


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 40), ("nsga2", 90), ("gp", 20)])
def test_a_sampler_made_anew_learns_from_the_study(sampler: Sampler, trials: int) -> None:
    assert sum(losses(sampler, trials)) < 0.75 * sum(losses("random", trials))


def test_seeds_of_neighbours_differ() -> None:
    assert len({trial_seed(seed, number) for seed in range(40) for number in range(40)}) == 1600
    assert all(0 <= trial_seed(seed, 2**32) < 2**32 for seed in range(100))
    samplers = [make_sampler(TuneSpec(seed=seed, sampler="random"), 7) for seed in (1, 1, 2)]
    again = [made_up_space(Random(1)).sample(optuna.create_study(sampler=sampler).ask()) for sampler in samplers]
    assert again[0] == again[1] != again[2]


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        ("32..48 step 2", Range(32, 48, step=2)),
        ("0.0001..0.01 log", Range(1e-4, 1e-2, log=True)),
        ("1..64 step 3 log", Range(1, 64, step=3, log=True)),
        ("-1..0.5", Range(-1, 0.5)),
        ("before | after", Choice("before", "after")),
        ("null | 0.5 | true", Choice(None, 0.5, True)),
    ],
)
def test_the_text_of_a_mark_is_the_mark(words: str, mark: Mark) -> None:
    assert parse_text(words) == mark and str(mark) == words == format_range(mark)


def test_words_are_exact_where_those_for_people_are_not() -> None:
    assert format_range(Range(0.12345678, 1.0)) == "0.12345678..1.0"
    assert format_range(Choice("null", None)) == '"null" | null'
    assert parse_text("1e-4 .. 1e-2 log") == Range(1e-4, 1e-2, log=True)


def test_a_trial_that_is_drawn_again_has_what_it_had() -> None:
    for seed in range(10):
        wanted, study = made_up_space(Random(seed)), optuna.create_study(sampler=make_sampler(TuneSpec(), 0))
        trial = study.ask()
        config = wanted.sample(trial)
        study.sampler = make_sampler(TuneSpec(), 1)
        again = wanted.sample(optuna.trial.Trial(study, trial._trial_id))
        assert {path: (type(value), value) for path, value in again.items()} == {
            path: (type(value), value) for path, value in config.items()
        }
