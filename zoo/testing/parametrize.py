"""`@checks("acme")`: every rule as a test of pytest's, for the tests of a plugin's authors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo.testing.check import Check, NotRun, checks_of
from zoo.testing.rule import Inapplicable

if TYPE_CHECKING:
    import pytest


def checks(name: str, *options: str) -> pytest.MarkDecorator:
    """Parametrise a test with every check of a plugin, a distribution, a kind or `plugin:kind`.

    The test takes `check` and calls it. A rule that cannot be tried, as of pictures that must be downloaded first, or
    that says nothing of a kind, is a skip with the reason. `options` are `key=value` texts instead of defaults.
    """
    import pytest

    found = [pytest.param(skipping(check), id=str(check).replace(" ", "-")) for check in checks_of(name, *options)]
    return pytest.mark.parametrize("check", found)


def skipping(check: Check) -> Callable[[], Any]:
    """The check, which skips the test where it cannot be run."""

    @functools.wraps(check.__call__)
    def run() -> None:
        import pytest

        try:
            check()
        except (Inapplicable, NotRun) as reason:
            pytest.skip(str(reason))

    return run
