"""The conformance kit: the rules that every kind must follow, for `zoo check` and for the tests of plugin authors."""

from __future__ import annotations

from zoo.testing.check import checks

__all__ = ["checks"]
