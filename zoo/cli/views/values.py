"""Values as they are printed in tables."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> str:
    """A value as it is written in YAML."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
