"""The version of the zoo, and of its plugin interface."""

from __future__ import annotations

__version__ = "0.1.0"
API = 1
"""Version of the plugin interface; it increases when a change breaks plugins."""
