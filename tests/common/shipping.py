"""A made-up package that ships weights, and small runs to make them of."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from zoo.core.tensor_files import write_weights
from zoo.core.types import DataInfo
from zoo.registry.build import build_model
from zoo.registry.catalog import catalog
from zoo.registry.listing import load_entry
from zoo.runs.metrics_log import json_line
from zoo.runs.run import Run
from zoo.runs.weights_index import add_to_index

REGISTRY = """version: 1
entries:
  tiny:
    summary: a very small classifier
    data: {kind: digits, limit: 60}
    model: {kind: cnn, blocks: 2, first: 2, last: 4, head: 0, final: 2}
    train: {epochs: 1, batch: 30}
"""
PLUGIN = """
from pathlib import Path
from zoo import Weights, hookimpl

@hookimpl
def zoo_weights():
    return Weights.read_index(Path(__file__).with_name("acme_weights"))
"""
DIGITS = DataInfo((1, 8, 8), tuple("0123456789"), (0.3,), (0.4,))
PETS = DataInfo((3, 8, 8), ("cat", "dog"), (0.5,) * 3, (0.25,) * 3)
ROW = {"stage": "fit", "epoch": 1, "loss": 1.0, "valid": {"loss": 1.0, "accuracy": 0.5}, "seconds": 1.0}


def make_run(path: Path, info: DataInfo = DIGITS, *overrides: str, entry: str = "tiny", **record: Any) -> Run:
    """A finished run of an entry, untrained: its predictions are as good as any."""
    known = load_entry(entry, overrides)
    about = {"data": {name: list(value) for name, value in info._asdict().items()}, "zoo": "0.1.0", "device": "cpu"}
    prints = dict.fromkeys(("train", "valid", "test"), "0" * 64)
    counts = {"train": 60, "valid": 6, "test": 12}
    run = Run.create(path, known, about | {"command": "zoo train tiny", "pictures": counts, "fingerprints": prints})
    torch.manual_seed(0)
    model = build_model(known, info)
    size = sum(each.numel() for each in model.parameters())
    (path / "metrics.jsonl").write_text(json_line(ROW), encoding="utf-8")
    run.update(state="done", parameters=size, weights_sha256=write_weights(path, model.state_dict()), **record)
    return run


def ship(install: Callable[..., Path], *runs: tuple[Run, str]) -> Path:
    """Install a package that ships the weights of runs, each under a name of its data; return its index."""
    package = Path(sys.path[0], "acme_weights")  # beside the module of the plugin, before that is probed
    package.mkdir()
    (package / "__init__.py").touch()
    for run, data in runs:
        add_to_index(run, package, data=data, license="MIT", source="made up")
    assert install("acme", PLUGIN, harmless=True).parent == package.parent
    return package / "index.json"


def change_index(index: Path, **values: Any) -> None:
    """Change the first row of an index by hand."""
    found = json.loads(index.read_text(encoding="utf-8"))
    found["weights"][0] |= values
    index.write_text(json.dumps(found), encoding="utf-8")
    catalog.cache_clear()
