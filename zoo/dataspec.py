"""The options that every data kind has: how the pictures are split, and how many are used."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from zoo.spec import Spec

Share = Annotated[float, Field(ge=0, lt=1)]


class DataSpec(Spec):
    """Base of the options of all data kinds."""

    valid: Share = 0.1
    """Share of each class's pictures kept for validation, where the set has no validation split of its own."""
    test: Share = 0.2
    """Share of each class's pictures kept for testing, where the set has no test split of its own."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Chooses which pictures are kept for validation and testing."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Use at most that many training pictures, in the proportions of the classes."""
    imbalance: Annotated[float, Field(ge=1, le=1e6)] | None = None
    """How many times rarer the last class is to be than the first, those between in geometric progression, in every
    split: a long-tailed mix (as in arXiv:1906.07413) of a set that is balanced."""

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.valid + self.test >= 1:
            raise ValueError("valid and test together must be less than 1, or no picture is left for training")
        return self
