"""Numbers formatted for the screen and for notebooks."""

from __future__ import annotations

import sys
from math import isnan
from typing import Any

MIN_SCIENTIFIC = 1e7
"""The smallest float, once rounded, that is written in scientific form."""


def format_value(value: Any) -> str:
    """Format a value: integers exactly, floats with four significant digits or as integers; a dash for NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "unknown" if value is None else str(value)
    if isnan(value):
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if 1000 <= abs(value) < MIN_SCIENTIFIC - 0.5 else f"{value:.4g}"


def is_finite(value: object) -> bool:
    """Return whether a value is a finite number."""
    # the bound, rather than math.isfinite, takes whole numbers of any length, which JSON files may hold
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def format_cell(value: object) -> str:
    """Format a figure with three decimals, a count exactly, and a dash for anything that is no finite number."""
    if not is_finite(value):
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def format_duration(seconds: float) -> str:
    """Format seconds as mm:ss, or h:mm:ss from one hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


def format_count(count: int) -> str:
    """Format a count briefly: 950, 87.2k, 1.5M."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}" if count < 999.5 * size else f"{count / size:,.0f}{unit}"
    return str(count)


def format_bytes(count: int) -> str:
    """Format a number of bytes briefly: 950 B, 87.2 kB, 1.5 MB."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def shorten(text: str, limit: int) -> str:
    """Cut a text off after so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
