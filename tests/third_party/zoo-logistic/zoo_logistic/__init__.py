"""A prior whose numbers follow logistic distributions, each moved and stretched by a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zoo import CodeInfo, PriorKind, hookimpl
from zoo_logistic.spec import LogisticSpec

if TYPE_CHECKING:
    from zoo.models import Prior

ZOO_API = 1


def build(spec: LogisticSpec, code: CodeInfo) -> Prior:
    """An untrained prior."""
    from zoo_logistic.prior import Logistic

    return Logistic(spec, code)


@hookimpl
def zoo_priors() -> Iterable[PriorKind[Any]]:
    """The prior."""
    yield PriorKind("logistic", LogisticSpec, build, "tails like exp(-|z|), given a text", text="classes")
