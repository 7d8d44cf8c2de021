"""The part of an axis that is shown: with room at its ends, and without outliers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

OUTLIER_FACTOR = 3.0
"""Interquartile ranges from the quartiles beyond which a point is drawn at the axis limit."""


@dataclass(frozen=True)
class Limits:
    """The part of an axis that is shown."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> Limits:
        """Compute limits that ignore outliers."""
        import numpy as np

        near = np.sort(np.array(values, dtype=float))
        scaled = np.log(near) if near[0] > 0 else near
        lower, upper = np.quantile(scaled, [0.25, 0.75])
        far = OUTLIER_FACTOR * max(upper - lower, 0.05 * abs(upper), 1e-9)
        near = near[(scaled <= upper + far) & (scaled >= lower - far)]
        if log := bool(near[0] > 0 and near[-1] / near[0] > 10):
            near = np.log(near)
        room = 0.08 * float(near[-1] - near[0] or abs(near[0]) or 1.0)
        ends = (float(near[0]) - room, float(near[-1]) + room)
        low, high = (math.exp(end) for end in ends) if log else ends
        return cls(low, high, log)

    def clip(self, value: float) -> float:
        """Clip a value to the axis range."""
        return min(max(value, self.low), self.high)
