"""What another program made, as the judge of a run sees it: peer.py RUN SAMPLES.npy RECONSTRUCTIONS.npy.

Arrays are float (N, C, H, W) with values 0..1; reconstructions are those of the run's test pictures in their order.
Prints the figures that `zoo evaluate RUN` prints for the run itself, over as many pictures as there are samples.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

import zoo
from zoo.evaluation.gallery import JudgeRunner, random_rows, random_subset
from zoo.evaluation.judges import find_judge
from zoo.evaluation.metric_results import compute_metrics
from zoo.models.device import choose_device
from zoo.models.gallery import Gallery
from zoo.registry.build import build_data
from zoo.registry.catalog import catalog
from zoo.registry.kinds import Outputs

METRICS = {"reconstruction", "sharpness", "frechet", "kid", "manifold", "judged", "memorisation"}


def pictures(path: str) -> Tensor:
    """An array as float32 (N, C, H, W)."""
    return torch.from_numpy(np.load(path, allow_pickle=False)).float().clamp(0, 1)


def main(argv: Sequence[str]) -> None:
    """Print the figures as JSON."""
    name, samples, reconstructions = argv
    run, place = zoo.load(name), choose_device("cpu")
    splits, _ = build_data(run.entry.data)
    judge = find_judge("judge", run, run.entry, splits, place, print)
    drawn, shown = pictures(samples), pictures(reconstructions)
    count = min(len(drawn), len(splits.test))
    real, other = random_subset(splits.test, count), random_subset(splits.train, count)
    runner = JudgeRunner(judge.judge, place)
    with torch.inference_mode():
        gallery = Gallery(
            judge.name,
            real=runner.run(real.floats, real.y),
            other=runner.run(other.floats, other.y),
            reconstructions=runner.run(shown[random_rows(len(splits.test), count)], real.y),
            samples=runner.run(drawn[:count], None),
            train=splits.train.x,
        )
    known = catalog()  # one per process, so the other metrics are left out of it
    known.providers = {key: value for key, value in known.providers.items() if key[0] != "metric" or key[1] in METRICS}
    found = compute_metrics(Outputs(run.model(), run.info, real, {}, None, gallery))
    print(json.dumps({"metrics": found.metrics, **found.details}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
