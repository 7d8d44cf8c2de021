"""Mutated inputs end with their documented code: no traceback, no code 70, nothing hangs, nothing silently wrong.

ZOO_FUZZ sets the number of inputs, e.g. 20000 for half an hour; ZOO_FUZZ_FIRST the first one, to repeat it;
ZOO_FUZZ_SEED another seed; ZOO_FUZZ_ONLY a kind of input.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

if os.name == "nt":
    pytest.skip("needs an alarm and named pipes", allow_module_level=True)

from fuzzing import mutate_file, remove_all
from fuzzpictures import expect_written_batches
from fuzzrun import ANY, LONG, REFUSED, Answer, Call, Fault, Tally, Times, answer, inside, what_is_wrong
from fuzztargets import Target, make_targets
from fuzzwords import prompt_fault, silently_wrong, typed_command

INPUTS = int(os.environ.get("ZOO_FUZZ", "200"))
FIRST = int(os.environ.get("ZOO_FUZZ_FIRST", "0"))
SEED = int(os.environ.get("ZOO_FUZZ_SEED", "0"))
ONLY = os.environ.get("ZOO_FUZZ_ONLY", "")


@pytest.fixture
def targets(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Target]]:
    """Files of every kind, none of which leads outside the test's own folders."""
    found = make_targets(home)
    expect_written_batches(monkeypatch)
    yield [target for target in found if ONLY in (*("", target.name),)]


class Fuzz:
    """Gives the zoo one input after another, in a folder that is made anew for each."""

    def __init__(self, home: Path, targets: list[Target]) -> None:
        self.place, self.home, self.tally, self.how = home / "case", home, Tally(), ""
        self.healthy: list[tuple[Target, Any, Times]] = []
        for target in targets:
            self.ask(target)
            found = self.ask(target)
            assert what_is_wrong(found) == ("", ""), f"{target.name} unchanged: {what_is_wrong(found)}"
            assert not found.code, f"{target.name} unchanged: {found.err}"
            self.healthy.append((target, self.effect(target, found), found.times))

    def copy(self, target: Target) -> None:
        """Copy the files of a target."""
        remove_all(self.place)
        shutil.copytree(target.folder, self.place)

    def ask(self, target: Target, chance: Random | None = None, limit: Times = LONG) -> Answer:
        """Run the command of a target on a copy, in which a file is changed if there is a chance."""
        self.copy(target)
        self.how = ""
        if chance is not None:
            name = chance.choice(target.files)
            self.how = f"{mutate_file(self.place / name, chance)} {name}"
        self.wanted = target.expected(self.place) if target.expected else None
        cache = self.place / "cache" if target.cached else None
        with inside(self.place, cache):
            return answer(target.call(self.place), limit)

    def effect(self, target: Target, found: Answer) -> Any:
        """What a command that succeeded made of the files."""
        with inside(self.place):
            return target.effect(found)

    def give(self, number: int) -> None:
        """Give the input of a number."""
        if (number % 4 == 3 and not ONLY) or ONLY == "typed":
            self.type_words(number)
        elif self.healthy:
            self.change_a_file(number)

    def change_a_file(self, number: int) -> None:
        """Give an input with a changed file."""
        turn, index = divmod(number - number // 4, len(self.healthy))
        target, effect, undisturbed = self.healthy[index]
        if turn % target.rarity:
            target, effect, undisturbed = self.healthy[turn % len(self.healthy)]
        found = self.ask(target, Random(f"{SEED} {number}"), undisturbed)
        if found.hung:  # on a busy machine, all takes longer
            now = self.ask(target).times
            found = self.ask(target, Random(f"{SEED} {number}"), now)
        self.tally.add(target.name, found.code)
        call = target.call(self.place)
        words = call if isinstance(call, list) else [target.name]
        kind, why = what_is_wrong(found, json_asked="--json" in words)
        if not kind and not found.code and (why := self.wrong_effect(target, found, effect)):
            kind = "silent"
        if kind:
            self.tally.fault(Fault(kind, f"{number} {target.name}: {self.how}", words, why))

    def wrong_effect(self, target: Target, found: Answer, healthy: Any) -> str:
        """How what was made of a changed file differs from what it should be; empty if it does not."""
        actual = self.effect(target, found)
        if target.expected is None:
            if self.how.startswith(("value", "resealed")):
                return ""  # whoever renews the checksums may write what he likes
            wanted = healthy
        else:
            wanted = self.wanted
        return "" if matches(actual, wanted) else f"{actual!r:.600} instead of {wanted!r:.600}"

    def type_words(self, number: int) -> None:
        """Give an input that is typed: a prompt, and a command with options."""
        chance = Random(f"{SEED} {number}")
        if why := prompt_fault(chance):
            self.tally.fault(Fault("silent", f"{number} prompt", [], why))
        words, kind = typed_command(chance)
        self.make_workplace()
        with inside(self.place):
            found = answer(words, Times(1, 2))
            if found.hung:
                self.make_workplace()
                found = answer(words, Times(5, 20))
        self.tally.add(kind, found.code)
        fault, why = what_is_wrong(found, json_asked="--json" in words and "-h" not in words)
        if not fault and (why := silently_wrong(words, found, self.place)):
            fault = "silent"
        if fault:
            self.tally.fault(Fault(fault, f"{number} {kind}", [word[:80] for word in words], why))

    def make_workplace(self) -> None:
        """Make the folder where commands are typed, with a run, a generator and a picture."""
        remove_all(self.place)
        (self.place / "runs").mkdir(parents=True)
        for folder, name in (("run", "r"), ("generator", "g")):
            shutil.copytree(self.home / folder / name, self.place / "runs" / name)
        shutil.copy(self.home / "p.png", self.place / "p.png")


def matches(actual: Any, wanted: Any) -> bool:
    """Whether a value is what is wanted; ANY on either side is, at any depth."""
    if actual is ANY or wanted is ANY:
        return True
    if wanted is REFUSED:
        return False
    if isinstance(wanted, dict) and isinstance(actual, dict):
        return wanted.keys() == actual.keys() and all(matches(actual[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple) and isinstance(actual, list | tuple):
        return len(wanted) == len(actual) and all(map(matches, actual, wanted))
    return bool(actual == wanted)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, where the test itself reads damaged pictures
def test_mutated_inputs_end_with_their_code(targets: list[Target], home: Path) -> None:
    outside = {path: path.stat().st_mtime_ns for path in home.iterdir()}
    fuzz = Fuzz(home, targets)
    fuzz.tally.last = time.process_time()
    for number in range(FIRST, FIRST + INPUTS):
        try:
            fuzz.give(number)
        except Exception:  # a run of hours goes on
            fuzz.tally.fault(Fault("test", f"{number} {fuzz.how}", [], traceback.format_exc(limit=-3)))
    print(fuzz.tally)
    assert not fuzz.tally.faults, f"{len(fuzz.tally.faults)} of {INPUTS}: {fuzz.tally.faults[:5]}"
    remove_all(fuzz.place)
    assert {path: path.stat().st_mtime_ns for path in home.iterdir()} == outside, "nothing is written elsewhere"


def busy() -> None:
    """Use the processor for ever."""
    while True:
        pass


def bug() -> None:
    """Raise what no command should."""
    raise LookupError("x")


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        *((lambda: time.sleep(60), "hang"), (busy, "hang"), (bug, "traceback"), (lambda: print("\x1b[2J"), "words")),
        *((lambda: sys.exit(70), "traceback"), (lambda: None, ""), (["no-such-command"], "")),
    ],
)
def test_planted_faults_are_found(call: Call, kind: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzrun.PATIENCE", 0.2)
    assert what_is_wrong(answer(call, Times(1.0, 1.0) if kind != "hang" else Times()))[0] == kind


def test_another_effect_than_the_wanted_one_is_found() -> None:
    assert matches({"a": [1, ANY]}, {"a": (1, 3)})
    assert not matches({"a": [1, 2]}, {"a": [1, 3]})
    assert not matches({"a": 1, "b": 2}, {"a": 1})
    assert not matches([1], REFUSED)


def test_a_code_70_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.cli.app.Command.invoke", lambda *words: bug())
    assert what_is_wrong(answer(["list"]))[0] == "code"
