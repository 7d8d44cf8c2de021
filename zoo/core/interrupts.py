"""Where the main thread is when a signal arrives."""

from __future__ import annotations

from types import FrameType

IMPORT_FILE = "<frozen importlib._bootstrap>"


def is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported where the main thread is."""
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_FILE:
            return True
        frame = frame.f_back
    return False
