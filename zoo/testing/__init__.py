"""The conformance kit: the rules that every kind keeps, for `zoo check` and for the tests of plugin authors."""

from __future__ import annotations

from zoo.testing.check import Check, Finding, NotRun, checks_of
from zoo.testing.parametrize import checks
from zoo.testing.rule import Broken, Rule, rules

__all__ = ["Broken", "Check", "Finding", "NotRun", "Rule", "checks", "checks_of", "rules"]
