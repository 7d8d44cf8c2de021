"""`zoo plugins` in processes of its own, until no probe is out any more."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

UNFINISHED = "it has not finished importing"


def settled() -> dict[str, dict[str, Any]]:
    """Each plugin as `zoo plugins --json` has it, by name."""
    for _ in range(40):
        command = [sys.executable, "-m", "zoo", "plugins", "--json"]
        done = subprocess.run(command, capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        plugins = {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
        if not any(plugin["error"].startswith(UNFINISHED) for plugin in plugins.values()):
            return plugins
    raise AssertionError("probes are out for ever")
