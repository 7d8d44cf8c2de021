"""The version of the zoo, and the level of its plugin interface."""

from __future__ import annotations

__version__ = "0.1.0"
API = 1
"""The level of what plugins may rely on; it rises when a change breaks them."""
