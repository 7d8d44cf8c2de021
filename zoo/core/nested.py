"""Nested mappings, as JSON and YAML have them, by dotted name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(values: Any, path: str = "") -> dict[str, Any]:
    """Flatten nested mappings into values by dotted name.

    Args:
        values: A mapping, or the value that `path` names.
        path: The name of what is flattened; empty for a whole.

    Returns:
        The values by dotted name; nothing for an empty mapping.

    Example:
        >>> flatten({"train": {"lr": 0.1, "stages": {}}})
        {'train.lr': 0.1}
    """
    if not isinstance(values, Mapping):
        return {path: values}
    before = f"{path}." if path else ""
    return {name: leaf for key, value in values.items() for name, leaf in flatten(value, f"{before}{key}").items()}
