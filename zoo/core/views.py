"""Names of the views of a picture over which a classifier's probabilities can be averaged at test time."""

from __future__ import annotations

from zoo.core.errors import ZooError, did_you_mean

ONE_VIEW = "none"
VIEWS = (ONE_VIEW, "flip", "shift", "flip+shift")
"""The picture as it is; also mirrored; also shifted; also all shifts mirrored."""


def check_views(name: str) -> None:
    """Raise ZooError if there are no views of that name."""
    if name not in VIEWS:
        hint = did_you_mean(name, VIEWS)
        raise ZooError(f"no views {name[:80]!r}", hint or f"choose one of {', '.join(VIEWS)}")
