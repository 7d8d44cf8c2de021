"""Rules, which every kind of some families must satisfy, and the errors that they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

RULE_MODULES = (
    "specs",
    "models",
    "stages",
    "densities",
    "texts",
    "pictures",
    "figures",
    "augments",
    "callbacks",
    "exports",
    "packages",
)
"""The modules of this package with rules, in the order in which they are checked."""
PLUGIN = "plugin"
"""The family name that stands for a plugin as a whole."""


class Broken(AssertionError):  # noqa: N818 - named after the state of a rule
    """A rule is broken; the message describes how, and what to do about it."""


class Inapplicable(Exception):  # noqa: N818 - not an error
    """A rule does not apply to a subject; the message gives the reason."""


@dataclass(frozen=True)
class Rule:
    """A rule with the function that checks it."""

    name: str
    text: str
    """The rule in one sentence."""
    families: frozenset[str]
    run: Callable[[Any], None]
    """Checks a subject; raises Broken or Inapplicable."""


_rules: dict[str, Rule] = {}


def rule(*families: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function as a rule of some families, with its name and the first line of its docstring."""

    def add(run: Callable[[Any], None]) -> Callable[[Any], None]:
        name = run.__name__.replace("_", "-")
        text = (run.__doc__ or "").partition("\n")[0].strip().removesuffix(".")
        assert name not in _rules and text, name
        _rules[name] = Rule(name, text, frozenset(families), run)
        return run

    return add


def rules() -> list[Rule]:
    """List all rules."""
    for module in RULE_MODULES:
        import_module(f"zoo.testing.{module}")
    return list(_rules.values())


def require(condition: object, message: str) -> None:
    """Raise Broken with the message if the condition is false."""
    if not condition:
        raise Broken(message)


@contextmanager
def broken_on_error(what: str) -> Iterator[None]:
    """Turn any unexpected exception in the block into Broken; `what` names the attempted action in the message."""
    from zoo.core.errors import ZooError

    try:
        yield
    except (Broken, Inapplicable, ZooError):
        raise
    except Exception as error:
        raise Broken(f"{what} raises {type(error).__name__}: {error}") from error
