"""The docstrings of the public names: short first lines, and examples that run as they are printed."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from signatures import PUBLIC

LONGEST = 15
"""Words of a first line at most."""
FEWEST = 40
"""Docstrings with an example that runs as a whole."""
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def own(thing: Any) -> bool:
    """Whether a class or function is of this package, not a constant or a type alias."""
    return (inspect.isclass(thing) or inspect.isroutine(thing)) and thing.__module__.startswith("zoo.")


def parts(name: str, thing: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class defines itself, by dotted name."""
    for key, value in vars(thing).items():
        if isinstance(value, property):
            yield f"{name}.{key}", value.fget
        elif isinstance(value, classmethod | staticmethod):
            yield f"{name}.{key}", value.__func__
        elif inspect.isfunction(value):
            yield f"{name}.{key}", value


def public() -> dict[str, Any]:
    """Every public function, class, method and property once, by its full name."""
    found: dict[str, Any] = {}
    for module, names in PUBLIC.items():
        for name in names:
            thing = getattr(import_module(module), name)
            if own(thing) and thing not in found.values():
                found[f"{module}.{name}"] = thing
    for name, thing in list(found.items()):
        if inspect.isclass(thing):
            inside = {key: part for key, part in parts(name, thing) if not key.rpartition(".")[2].startswith("_")}
            found |= {key: part for key, part in inside.items() if (part.__module__ or "").startswith("zoo.")}
    return found


OBJECTS = public()
EXAMPLES = {
    name: test
    for name, thing in OBJECTS.items()
    if (test := doctest.DocTestParser().get_doctest(thing.__doc__ or "", {}, name, None, None)).examples
}


def runs(test: doctest.DocTest) -> bool:
    """Whether all of an example is run, and nothing skipped."""
    return all(not example.options.get(doctest.SKIP) for example in test.examples)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_its_docstring_says(name: str) -> None:
    report: list[str] = []
    # a copy of the test: the runner empties the names that the example has defined
    test = doctest.DocTestParser().get_doctest(OBJECTS[name].__doc__, {"__name__": "example"}, name, None, None)
    failed = doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=report.append).failed
    assert not failed, "".join(report)


def test_enough_docstrings_have_an_example_that_runs() -> None:
    assert sum(map(runs, EXAMPLES.values())) >= FEWEST


@pytest.mark.parametrize("name", OBJECTS)
def test_a_docstring_begins_with_one_short_sentence(name: str) -> None:
    docstring = OBJECTS[name].__doc__
    assert docstring, f"{name} has no docstring"
    first = docstring.strip().partition("\n")[0]
    assert first.endswith("."), f"{name}: {first!r} does not end with a full stop"
    assert len(first.split()) <= LONGEST, f"{name}: {first!r} has more than {LONGEST} words"
