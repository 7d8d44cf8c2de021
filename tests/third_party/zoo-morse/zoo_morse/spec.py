"""The options of the encoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zoo import Spec


class MorseSpec(Spec):
    """Morse code."""

    signs: Annotated[int, Field(ge=5, le=500)] = 60
    """Dots, dashes and gaps between letters that a text may have."""
