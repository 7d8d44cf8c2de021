"""A check is a rule for a subject: a kind, or a plugin as a whole. What is checked is found by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from zoo.core.errors import DataError, MissingError, ZooError, did_you_mean, one_line
from zoo.core.yaml import parse_value
from zoo.registry.catalog import PLUGINS_HINT, Catalog, catalog
from zoo.registry.plugins.discover import Plugin
from zoo.testing.rule import PLUGIN, Inapplicable, Rule, rules

if TYPE_CHECKING:
    import pytest


LOADS_RULE = "loads"
"""The rule of a plugin that comes before all others."""
MISSING_CAUSES = ZooError | ImportError | OSError
"""Causes by which something is missing here, rather than wrong."""
State = Literal["holds", "broken", "does not apply", "not run"]


class NotRun(ZooError):  # noqa: N818 - it is no fault
    """A rule could not be tried here; the text says why, and what to do."""


@dataclass(frozen=True)
class Subject:
    """What a rule looks at."""

    plugin: Plugin
    handle: str
    """What stands before the colon of `plugin:kind`."""
    kind: Any = None
    """A kind, or None for the plugin as a whole."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the kind in place of its defaults."""

    @property
    def family(self) -> str:
        """The family of the kind, or that of plugins."""
        return str(self.kind.family) if self.kind else PLUGIN

    def takes(self, rule: Rule) -> bool:
        """Whether a rule is of this family; a plugin that does not work has one rule alone."""
        return self.family in rule.families and (not self.plugin.trouble or rule.name == LOADS_RULE)

    def __str__(self) -> str:
        return f"{self.handle}:{self.kind.name}" if self.kind else self.handle


@dataclass(frozen=True)
class Finding:
    """What came of a check."""

    subject: str
    family: str
    rule: str
    state: State
    why: str = ""


@dataclass(frozen=True)
class Check:
    """A rule for a subject; calling it raises where the rule is broken."""

    rule: Rule
    subject: Subject

    def __call__(self) -> None:
        """Try the rule; random generators stay where they are.

        Broken says how it is broken, NotRun why it could not be tried, Inapplicable why there is nothing to try.
        """
        import torch

        from zoo.training.device import preserve_random_state

        with preserve_random_state(torch.device("cpu")):
            try:
                self.rule.run(self.subject)
            except (MissingError, DataError) as error:
                if isinstance(error, MissingError) and not isinstance(error.__cause__, MISSING_CAUSES | None):
                    raise  # the plugin failed in a way that nothing missing explains
                raise NotRun(error.args[0], error.hint) from error

    def find(self) -> Finding:
        """Try the rule, and say what came of it."""
        try:
            self()
        except Inapplicable as error:
            return self.finding("does not apply", str(error))
        except NotRun as error:
            return self.finding("not run", str(error))
        except AssertionError as error:
            return self.finding("broken", str(error) or "an assertion failed")
        except (Exception, SystemExit) as error:
            return self.finding("broken", f"{type(error).__name__}: {error}")
        return self.finding("holds")

    def finding(self, state: State, why: str = "") -> Finding:
        """The finding of this check."""
        return Finding(str(self.subject), self.subject.family, self.rule.name, state, one_line(why)[:500])

    def __str__(self) -> str:
        family = f" ({self.subject.family})" if self.subject.kind else ""
        return f"{self.subject}{family}: {self.rule.name}"


def checks_of(name: str | None = None, *options: str) -> list[Check]:
    """All rules for a plugin and its kinds, or for the kinds of a name; of everything where no name is given.

    `options` are `key=value` texts that stand in place of a kind's defaults.
    """
    given = dict(parse_option(text) for text in options)
    subjects = list(find_subjects(catalog().wait_for_probes(), name, given))
    if given and len(kinds := {subject.kind for subject in subjects if subject.kind}) != 1:
        raise ZooError(f"options need a single kind, but {name or 'everything'} has {len(kinds)}", "name a single kind")
    return [Check(rule, subject) for subject in subjects for rule in rules() if subject.takes(rule)]


def parse_option(text: str) -> tuple[str, Any]:
    """The name and the value of `width=32`."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise ZooError(f"{text[:80]!r} is not of the form key=value, e.g. width=32")
    return key, parse_value(value, key)


def find_subjects(known: Catalog, name: str | None, given: Mapping[str, Any]) -> Iterator[Subject]:
    """The subjects of a name: plugins and their kinds, or single kinds."""
    plugins = [plugin for plugin in known.plugins if name in {None, known.prefix(plugin), plugin.distribution}]
    for plugin in plugins:
        yield from subjects_of(known, plugin, given)
    if not plugins:
        yield from find_kinds(known, str(name), given)


def subjects_of(known: Catalog, plugin: Plugin, given: Mapping[str, Any]) -> Iterator[Subject]:
    """A plugin and its kinds."""
    handle, kinds = known.prefix(plugin), plugin.kinds
    yield Subject(plugin, handle)
    yield from (Subject(plugin, handle, kind, given) for kind in kinds)


def find_kinds(known: Catalog, name: str, given: Mapping[str, Any]) -> Iterable[Subject]:
    """The kinds called `name` or `plugin:name`, of whatever family."""
    giver, _, bare = name.rpartition(":")
    givers = [
        plugin
        for plugin in known.plugins
        if giver in {"", known.prefix(plugin), plugin.distribution}
        and bare in {each.name for each in plugin.kind_summaries}
    ]
    if not givers:
        names = {each.name for plugin in known.plugins for each in plugin.kind_summaries}
        handles = {known.prefix(plugin) for plugin in known.plugins}
        raise ZooError(f"no plugin and no kind {name[:80]!r}", did_you_mean(name, names | handles) or PLUGINS_HINT)
    subjects = (subject for plugin in givers for subject in subjects_of(known, plugin, given))
    return [subject for subject in subjects if subject.kind and subject.kind.name == bare]


def checks(name: str, *options: str) -> pytest.MarkDecorator:
    """Parametrise a test with every check of a plugin or of a kind.

    The test takes an argument `check` and calls it. It is skipped, with the reason, where a check does not apply to the
    kind or cannot be run, as for pictures that must be downloaded first.

    Args:
        name: A plugin, a distribution, a kind or `plugin:kind`.
        *options: `key=value` texts, in place of the defaults of the kind's options.

    Returns:
        A decorator for a test function of pytest.

    Raises:
        ZooError: If there is no such plugin or kind.

    Example:
        >>> from zoo.testing import checks
        >>> @checks("cnn")
        ... def test_rules(check):
        ...     check()
        >>> test_rules.pytestmark[0].name
        'parametrize'
    """
    import pytest

    found = [
        pytest.param(skip_if_not_run(check), id=str(check).replace(" ", "-")) for check in checks_of(name, *options)
    ]
    return pytest.mark.parametrize("check", found)


def skip_if_not_run(check: Check) -> Callable[[], Any]:
    """The check, which skips the test where it cannot be run."""

    @functools.wraps(check.__call__)
    def run() -> None:
        import pytest

        try:
            check()
        except (Inapplicable, NotRun) as reason:
            pytest.skip(str(reason))

    return run
