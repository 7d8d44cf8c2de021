"""Comparison callbacks: the base class of what hears from a comparison while it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from zoo.evaluation.compare.result import Comparison
from zoo.registry.entry import Entry
from zoo.training.callbacks import Callback


class CompareCallback:
    """Base class of comparison callbacks; override the methods you need, the others do nothing."""

    def training(self, title: str, entry: Entry) -> AbstractContextManager[Callback]:
        """Called when a training begins or goes on; it yields the callback of that training."""
        return nullcontext(Callback())

    def update(self, comparison: Comparison) -> None:
        """Called when the comparison begins, and whenever one of its trainings ends."""

    def note(self, text: str) -> None:
        """Called with a message for the user."""
