"""Time and memory of `zoo tune` beside a bare Ray Tune script of the same trials: python tests/benchmarks/tuning.py."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TRIVIAL = ("data.limit=300", "model.blocks=2", "model.head=0", "train.epochs=3")
OPTIONS = (*TRIVIAL, "tune.grace_period=100", "tune.sampler=random")
SPACE = {"model.first": (8, 16), "model.last": (24, 32)}
MIB = 2**20


def ours(trials: int) -> None:
    """The tuner of the zoo."""
    import zoo

    space = [f"tune.space.{key}={low}..{high}" for key, (low, high) in SPACE.items()]
    fixed = [f"{name}=null" for name in OTHERS]
    study = zoo.tune("cnn", *OPTIONS, *space, *fixed, trials=trials)
    assert study.counts == {"done": trials}, study.counts


OTHERS = tuple(
    f"tune.space.{name}"
    for name in ("model.blocks", "model.final", "model.head", "model.norm", "model.activation", "model.dropout")
) + tuple(f"tune.space.train.{name}" for name in ("batch", "lr", "weight_decay"))


def bare(trials: int) -> None:
    """What a user of Ray Tune writes: a function that trains, a space, ASHA, workers that are used again."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    from zoo.tuning.cluster import quiet_ray

    with quiet_ray():
        ray.init(num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False, log_to_driver=False, logging_level=50)
        root = str(Path.cwd() / "bare")
        tuner = tune.Tuner(
            tune.with_parameters(trial, root=root),
            param_space={key: tune.randint(low, high + 1) for key, (low, high) in SPACE.items()},
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                num_samples=trials,
                scheduler=ASHAScheduler(grace_period=100),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=str(Path.cwd() / "ray"), verbose=0),
        )
        found = tuner.fit()
        ray.shutdown()
    assert len(found) == trials and not found.errors


def trial(config: dict[str, int], root: str) -> None:
    """One training with the trainer of the zoo, reported epoch by epoch."""
    import uuid

    from ray import tune

    import zoo
    from zoo.training.callbacks import Callback

    class Reports(Callback):
        def epoch(self, row: dict[str, object]) -> None:
            tune.report({"loss": row["valid"]["loss"]})  # type: ignore[index]

    words = [*TRIVIAL, *(f"{key}={value}" for key, value in config.items())]
    zoo.train("cnn", *words, out=Path(root) / uuid.uuid4().hex[:8], device="cpu", callback=Reports())


def main() -> None:
    """Alternate both, and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=["ours", "bare"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sides: dict[str, Callable[[int], None]] = {"ours": ours, "bare": bare}
    if asked.side:
        return sides[asked.side](asked.trials)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    memory = 0.0
    for _ in range(asked.rounds):
        for side, found in seconds.items():
            taken, most = timed(side, asked.trials)
            found.append(taken)
            memory = max(memory, most) if side == "ours" else memory
            print(f"{side}: {taken:.1f} s, largest worker {most:.0f} MiB", file=sys.stderr)
    ours_s, bare_s = (statistics.median(seconds[side]) for side in ("ours", "bare"))
    print(json.dumps({"ours": ours_s, "bare": bare_s, "ratio": ours_s / bare_s, "worker_mib": memory}))
    return None


def timed(side: str, trials: int) -> tuple[float, float]:
    """Seconds of a fresh process, and the most memory that a worker had for itself, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        command = [sys.executable, str(Path(__file__).resolve()), "--side", side, "--trials", str(trials)]
        child = subprocess.Popen(command, cwd=folder)
        most = 0.0
        while child.poll() is None:
            most = max(most, *workers(), 0.0)
            time.sleep(0.5)
        assert child.returncode == 0
        return time.monotonic() - start, most


def workers() -> list[float]:
    """Proportional memory of each worker of Ray, in MiB, where /proc tells it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::" in (process / "cmdline").read_bytes()[:20]:
                lines = (process / "smaps_rollup").read_text().splitlines()
                found.append(next(int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith("Pss:")))
        except (OSError, StopIteration, ValueError):
            continue
    return found


if __name__ == "__main__":
    main()
