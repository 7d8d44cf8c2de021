"""Class balance on long-tailed CIFAR-10: macro accuracy of the four ways of `train.balance`, as a table.

long_tail.py CIFAR10_FOLDER [--factors 10,50] [--seeds N] [--limit PICTURES] [--epochs N] [--results FILE]

The folder holds train.parquet, of which a long-tailed part is trained on, and test.parquet, which is used whole. Each
training takes a minute or two on one thread. Finished ones are kept in FILE, a JSON line each, so the same command goes
on where it was stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

import zoo

WAYS = ("none", "sampler", "loss", "logit-adjustment")
NET = ("model.blocks=4", "model.first=16", "model.last=64", "train.batch=100")


def measure(args: argparse.Namespace, factor: float, way: str, seed: int) -> dict[str, Any]:
    """Train once, and return the mean recall of the classes over the balanced test pictures, and of the 3 rarest."""
    words = [f"data.imbalance={factor:g}", f"data.limit={args.limit}", f"train.epochs={args.epochs}", *NET]
    words += [f"train.balance={way}", "train.keep=last"]
    with tempfile.TemporaryDirectory() as folder:
        data = args.data / "train.parquet"
        trained = zoo.train("cnn", *words, data=str(data), seed=seed, out=Path(folder) / "run", device="cpu")
        whole = ("data.imbalance=1", "data.valid=0", "data.test=0")
        found = zoo.evaluate(trained.run, *whole, data=str(args.data / "test.parquet"), split="train")
    per_class: Any = found.details["per_class"]
    recalls = [row["recall"] for row in per_class.values()]
    return {"macro_accuracy": statistics.mean(recalls), "rarest": statistics.mean(recalls[-3:])}


def main() -> None:
    """Measure what is missing, and print the table of what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--factors", default="10,50")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--results", type=Path, default=Path("long_tail.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in args.results.read_text().splitlines()] if args.results.exists() else []
    factors = [float(text) for text in args.factors.split(",")]
    for seed, factor, way in itertools.product(range(args.seeds), factors, WAYS):
        key = {"factor": factor, "way": way, "seed": seed, "limit": args.limit, "epochs": args.epochs}
        if not any(key.items() <= row.items() for row in rows):
            rows.append(key | measure(args, factor, way, seed))
            with args.results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print_table(rows, factors, args)


def print_table(rows: list[dict[str, Any]], factors: list[float], args: argparse.Namespace) -> None:
    """Print mean and standard deviation over the seeds, for each factor and way."""
    print("| imbalance | balance | macro accuracy | of the 3 rarest classes | seeds |\n| --- | --- | --- | --- | --- |")
    for factor, way in itertools.product(factors, WAYS):
        wanted = {"factor": factor, "way": way, "limit": args.limit, "epochs": args.epochs}
        own = [row for row in rows if wanted.items() <= row.items()]
        figures = [spread([row[name] for row in own]) for name in ("macro_accuracy", "rarest")]
        print(f"| {factor:g} | {way} | {' | '.join(figures)} | {len(own)} |")


def spread(values: list[float]) -> str:
    """Format mean and standard deviation."""
    if not values:
        return ""
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
