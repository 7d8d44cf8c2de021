"""Checks, which apply a rule to a kind or to a whole plugin, and how to find them by name."""

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
"""Name of the plugin rule that is checked first."""
MISSING_CAUSES = ZooError | ImportError | OSError
"""Causes of a MissingError that mean a missing dependency, not a faulty plugin."""
State = Literal["holds", "broken", "does not apply", "not run"]


class NotRun(ZooError):  # noqa: N818 - not an error of the plugin
    """A rule could not be checked here; the message gives the reason and what to do."""


@dataclass(frozen=True)
class Subject:
    """What a rule checks: a kind with options, or a plugin."""

    plugin: Plugin
    prefix: str
    """The part before the colon of `plugin:kind`."""
    kind: Any = None
    """A kind, or None for the plugin as a whole."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options that override the defaults of the kind."""

    @property
    def family(self) -> str:
        """The family of the kind, or PLUGIN."""
        return str(self.kind.family) if self.kind else PLUGIN

    def applies(self, rule: Rule) -> bool:
        """Whether a rule applies to this family; a broken plugin is checked by one rule only."""
        return self.family in rule.families and (not self.plugin.trouble or rule.name == LOADS_RULE)

    def __str__(self) -> str:
        return f"{self.prefix}:{self.kind.name}" if self.kind else self.prefix


@dataclass(frozen=True)
class Finding:
    """The result of a check, as text."""

    subject: str
    family: str
    rule: str
    state: State
    why: str = ""
    """Why the rule is broken, does not apply or was not checked."""


@dataclass(frozen=True)
class Check:
    """A rule for a subject; calling it raises Broken if the rule is broken."""

    rule: Rule
    subject: Subject

    def __call__(self) -> None:
        """Check the rule; the states of random generators are restored.

        Raises:
            Broken: If the rule is broken.
            NotRun: If it could not be checked.
            Inapplicable: If there is nothing to check.
        """
        import torch

        from zoo.training.device import preserve_random_state

        with preserve_random_state(torch.device("cpu")):
            try:
                self.rule.run(self.subject)
            except (MissingError, DataError) as error:
                if isinstance(error, MissingError) and not isinstance(error.__cause__, MISSING_CAUSES | None):
                    raise  # no missing dependency explains the failure
                raise NotRun(error.args[0], error.hint) from error

    def find(self) -> Finding:
        """Check the rule and return the result."""
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
        """Make the finding of this check."""
        return Finding(str(self.subject), self.subject.family, self.rule.name, state, one_line(why)[:500])

    def __str__(self) -> str:
        family = f" ({self.subject.family})" if self.subject.kind else ""
        return f"{self.subject}{family}: {self.rule.name}"


def checks_of(name: str | None = None, *options: str) -> list[Check]:
    """List all checks for a plugin with its kinds, for the kinds of a name, or for everything.

    `options` are strings `key=value` that override defaults of the kind.
    """
    overrides = dict(map(parse_option, options))
    subjects = list(find_subjects(catalog().wait_for_probes(), name, overrides))
    if overrides and len(kinds := {subject.kind for subject in subjects if subject.kind}) != 1:
        raise ZooError(f"options need a single kind, but {name or 'everything'} has {len(kinds)}", "name a single kind")
    return [Check(rule, subject) for subject in subjects for rule in rules() if subject.applies(rule)]


def parse_option(option: str) -> tuple[str, Any]:
    """Parse `width=32` into name and value."""
    key, equals, value = option.partition("=")
    if not equals or not key.isidentifier():
        raise ZooError(f"{option[:80]!r} is not of the form key=value, e.g. width=32")
    return key, parse_value(value, key)


def find_subjects(plugins: Catalog, name: str | None, overrides: Mapping[str, Any]) -> Iterator[Subject]:
    """Yield the subjects of a name: plugins with their kinds, or single kinds."""
    named = [plugin for plugin in plugins.plugins if name in {None, plugins.prefix(plugin), plugin.distribution}]
    for plugin in named:
        yield from subjects_of(plugins, plugin, overrides)
    if not named:
        yield from find_kinds(plugins, str(name), overrides)


def subjects_of(plugins: Catalog, plugin: Plugin, overrides: Mapping[str, Any]) -> Iterator[Subject]:
    """Yield a plugin and its kinds."""
    prefix, kinds = plugins.prefix(plugin), plugin.kinds
    yield Subject(plugin, prefix)
    yield from (Subject(plugin, prefix, kind, overrides) for kind in kinds)


def find_kinds(plugins: Catalog, name: str, overrides: Mapping[str, Any]) -> Iterable[Subject]:
    """Find the kinds called `name` or `plugin:name`, in any family."""
    prefix, _, kind_name = name.rpartition(":")
    providers = [
        plugin
        for plugin in plugins.plugins
        if prefix in {"", plugins.prefix(plugin), plugin.distribution}
        and kind_name in {each.name for each in plugin.kind_summaries}
    ]
    if not providers:
        names = {each.name for plugin in plugins.plugins for each in plugin.kind_summaries}
        prefixes = {plugins.prefix(plugin) for plugin in plugins.plugins}
        raise ZooError(f"no plugin and no kind {name[:80]!r}", did_you_mean(name, names | prefixes) or PLUGINS_HINT)
    subjects = (subject for plugin in providers for subject in subjects_of(plugins, plugin, overrides))
    return [subject for subject in subjects if subject.kind and subject.kind.name == kind_name]


def checks(name: str, *options: str) -> pytest.MarkDecorator:
    """Parametrise a test with every check of a plugin or of a kind.

    The test takes an argument `check` and calls it. It is skipped, with the reason, if a check does not apply to the
    kind or cannot be run, e.g. because pictures must be downloaded first.

    Args:
        name: A plugin, a distribution, a kind or `plugin:kind`.
        *options: Strings `key=value` that override defaults of the kind.

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

    params = [
        pytest.param(skip_if_not_run(check), id=str(check).replace(" ", "-")) for check in checks_of(name, *options)
    ]
    return pytest.mark.parametrize("check", params)


def skip_if_not_run(check: Check) -> Callable[[], Any]:
    """Wrap a check so that the test is skipped if the check cannot be run."""

    @functools.wraps(check.__call__)
    def run() -> None:
        import pytest

        try:
            check()
        except (Inapplicable, NotRun) as reason:
            pytest.skip(str(reason))

    return run
