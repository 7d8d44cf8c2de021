"""A rule: something that every kind of some families keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

RULE_MODULES = ("specs", "models", "stages", "densities", "texts", "pictures", "figures", "packages")
"""The modules of this package that hold rules, in the order in which they are tried."""
PLUGIN = "plugin"
"""Stands among families for a plugin as a whole."""


class Broken(AssertionError):  # noqa: N818 - named for what it says of a rule
    """A rule is broken; the text says how, and what the author can do."""


class Inapplicable(Exception):  # noqa: N818 - it is no fault
    """A rule says nothing of a subject; the text says why."""


@dataclass(frozen=True)
class Rule:
    """One rule."""

    name: str
    text: str
    """What is asked, in a sentence."""
    families: frozenset[str]
    run: Callable[[Any], None]
    """Takes the subject; raises Broken, or Inapplicable."""


_rules: dict[str, Rule] = {}


def rule(*families: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a function a rule of some families, under its own name and with the first line of its docstring."""

    def add(run: Callable[[Any], None]) -> Callable[[Any], None]:
        name = run.__name__.replace("_", "-")
        text = (run.__doc__ or "").partition("\n")[0].strip().removesuffix(".")
        assert name not in _rules and text, name
        _rules[name] = Rule(name, text, frozenset(families), run)
        return run

    return add


def rules() -> list[Rule]:
    """All rules."""
    for module in RULE_MODULES:
        import_module(f"zoo.testing.{module}")
    return list(_rules.values())


def require(holds: object, text: str) -> None:
    """Raise Broken with the text unless something holds."""
    if not holds:
        raise Broken(text)


@contextmanager
def broken_on_error(what: str) -> Iterator[None]:
    """Within the block any other error of the plugin's becomes Broken, and the text says what was tried."""
    from zoo.core.errors import ZooError

    try:
        yield
    except (Broken, Inapplicable, ZooError):
        raise
    except Exception as error:
        raise Broken(f"{what} raises {type(error).__name__}: {error}") from error
