"""The name of the run folder for a published run."""

from __future__ import annotations

import re

from zoo.registry.layers import read_registry


def pulled_name(source: str) -> str:
    """Return the name of the run folder for a bundle: the last part of its path or of its name on the hub.

    The name of an entry means its newest run, so another word follows it.
    """
    path = source.partition("@")[0] if source.startswith("hf:") else source.rstrip("/\\")
    last = re.split(r"[/\\]", path)[-1]
    name = last[:-4] if last.lower().endswith(".zip") else last
    return f"{name}-pulled" if name in read_registry()[0].entries else name
