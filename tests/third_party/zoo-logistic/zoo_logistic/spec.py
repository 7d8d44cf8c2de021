"""The options of the prior."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import Range, Spec


class LogisticSpec(Spec):
    """Independent logistic distributions."""

    scale: Annotated[float, Field(ge=0.01, le=10), Range(0.2, 1.0, log=True)] = 0.55
    """Scale of each number before anything is learnt; 0.55 gives it a standard deviation of 1."""
    stretch: bool = True
    """Whether a text changes scales as well as centres."""
