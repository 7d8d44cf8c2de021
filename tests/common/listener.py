"""A plugin with a callback kind that writes each event as a line of JSON, or fails as it is asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PLUGIN = '''
import zoo

class LinesSpec(zoo.Spec):
    """Options of a callback that writes lines."""
    file: str = "events.jsonl"
    """File to write to."""
    fail: str = ""
    """Event at which it fails."""

def build(spec):
    import json, random
    import torch
    from zoo.registry import EventCallback

    class Lines(EventCallback):
        def event(self, event):
            name = type(event).__name__
            print("heard", name)
            random.seed(1), torch.manual_seed(1)
            with open(spec.file, "a") as file:
                file.write(json.dumps({"event": name, **event._asdict()}, default=str) + "\\n")
            getattr(event, "train", {}).clear()
            getattr(event, "metrics", {}).clear()
            if name == spec.fail:
                raise RuntimeError("no\\nroom")

        def close(self):
            with open(spec.file, "a") as file:
                file.write(json.dumps({"event": "closed"}) + "\\n")

    return Lines()

@zoo.hookimpl
def zoo_callbacks():
    yield zoo.CallbackKind("lines", LinesSpec, build, "lines of JSON")
'''


def events(file: str = "events.jsonl") -> list[dict[str, Any]]:
    """The events that were written."""
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def names(file: str = "events.jsonl") -> list[str]:
    """The names of the events that were written."""
    return [event["event"] for event in events(file)]
