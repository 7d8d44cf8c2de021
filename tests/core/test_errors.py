"""Errors: one printable line each, exit codes as documented, hints, and a way through pickle to another process."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.core import errors
from zoo.core.errors import BudgetError, InterruptedRun, ZooError, did_you_mean, one_line

CODES = {
    "ZooError": 2,
    "JobError": 1,
    "DataError": 3,
    "MissingError": 4,
    "RunError": 5,
    "LockedError": 6,
    "ResourceError": 7,
    "OutOfMemoryError": 7,
    "InterruptedRun": 130,
}


@pytest.mark.parametrize("name", CODES)
def test_codes_and_pickles(name: str) -> None:
    kind: type[ZooError] = getattr(errors, name)
    error = kind("something\nwent  wrong")
    error.hint = "do this"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.code, copy.hint, str(copy)) == (CODES[name], "do this", "something went wrong; do this")


def test_an_interruption_keeps_its_code() -> None:
    assert pickle.loads(pickle.dumps(InterruptedRun("stopped", 143))).code == 143


def test_a_budget_keeps_its_figures() -> None:
    error = pickle.loads(pickle.dumps(BudgetError(1200, 1000)))
    assert (error.code, error.parameters, error.limit) == (2, 1200, 1000)
    assert str(error) == "1,200 parameters exceed the budget of 1,000"


def test_all_classes_are_listed() -> None:
    found = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, ZooError)}
    assert found == {*CODES, "BudgetError"}


@given(st.text(), st.text())
def test_always_one_printable_line(message: str, hint: str) -> None:
    error = ZooError(message, hint)
    assert str(error).isprintable()
    assert one_line(str(error)) == str(error)


def test_nearest() -> None:
    assert did_you_mean("vae-fn", ["vae-nf", "cnn"]) == "did you mean 'vae-nf'?"
    assert did_you_mean("quux", ["vae-nf", "cnn", "cnn"]) == "known: cnn, vae-nf"
    assert did_you_mean("quux", [f"model-{i}" for i in range(50)]) == ""
    assert did_you_mean("quux", []) == ""
    assert did_you_mean("a" * 1_000_000, ["cnn"]) == "known: cnn"
