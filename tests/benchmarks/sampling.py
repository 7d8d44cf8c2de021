"""Seconds to sample 1,000 pictures of digits on one thread, for each architecture of the flow: `python sampling.py`."""

from __future__ import annotations

import time
from statistics import median

import torch

from zoo.models import Generator, Term, fixed_seed, single_term
from zoo.registry.build import build_data, build_model
from zoo.registry.listing import load_entry

ENTRIES = {
    "coupling": [],
    "spline": ["prior.architecture=spline"],
    "linear": ["prior.architecture=linear"],
    "zuko:NSF": ["prior.architecture=zuko:NSF"],
    "transformer": ["prior.architecture=transformer", "prior.width=64"],
    "matching": ["prior.architecture=matching"],
    "matching, 5 steps": ["prior.architecture=matching", "prior.steps=5"],
}
COUNT, BATCH, ROUNDS = 1000, 250, 3


def seconds(overrides: list[str], guidance: float) -> tuple[float, float]:
    """Measure CPU time of one round of samples, the median over the rounds, and that of their decoding."""
    entry = load_entry("vae-nf", overrides)
    model = build_model(entry, build_data(entry.data)[0].info).eval()
    assert isinstance(model, Generator)
    classes, times, decoding = torch.arange(BATCH) % 10, [], []
    condition = model.condition(classes)
    terms = [Term(1 + guidance, condition), Term(-guidance, None)] if guidance else single_term(condition)
    for _ in range(ROUNDS):
        with torch.inference_mode(), fixed_seed(torch.device("cpu")):
            start = time.process_time()
            codes = [model.prior.blend(BATCH, terms) for _ in range(COUNT // BATCH)]
            middle = time.process_time()
            for code in codes:
                model.codec.decode(code)
        times.append(time.process_time() - start)
        decoding.append(time.process_time() - middle)
    return median(times), median(decoding)


def main() -> None:
    """Print a row for each architecture."""
    torch.set_num_threads(1)
    print("| architecture | seconds | with guidance | of which decoding |\n| --- | --- | --- | --- |")
    for name, overrides in ENTRIES.items():
        (plain, decoding), (guided, _) = (seconds(overrides, guidance) for guidance in (0.0, 0.5))
        print(f"| `{name}` | {plain:.2f} | {guided:.2f} | {decoding:.2f} |", flush=True)


if __name__ == "__main__":
    main()
