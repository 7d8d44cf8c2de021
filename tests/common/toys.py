"""A made-up plugin whose model goes wrong in any way that is asked for; registry and options of studies of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna

from zoo.core.sections import TuneSpec
from zoo.tuning.ledger import make_sampler

PLUGIN = '''
import errno, os, sys, time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, ModelKind, Range, Spec, hookimpl

class Options(Spec):
    how: Annotated[Literal["fine", "diverge", "raise", "quit", "exit", "hang", "oom", "over", "invalid", "disk", "log",
                           "no-build", "exit-build"], Choice("fine", "raise")] = "fine"
    """What becomes of it."""
    width: Annotated[int, Field(ge=1), Range(4, 8)] = 4
    """Units."""
    mark: Annotated[float, Field(ge=0, le=1), Range(0.0, 1.0)] = 0.5
    """Tells trials apart; means nothing."""

    @model_validator(mode="after")
    def _check(self):
        if self.how == "invalid":
            raise ValueError("it cannot be so")
        return self

def misbehave(how, step):
    import torch
    if how == "raise":
        raise RuntimeError("it is broken")
    if how == "quit":
        sys.exit(0)
    if how == "exit":
        os._exit(3)
    if how == "hang":
        time.sleep(1e6)
    if how == "oom":
        torch.empty(1 << 60, dtype=torch.uint8)
    if step == 2 and Path(os.environ["ZOO_TOY"], "full").exists():
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if how == "log":
            raise full
        if how == "disk":
            def fsync(handle):
                raise full
            os.fsync = fsync

def build(spec, info):
    import torch
    from zoo.models import Classifier

    if spec.how == "no-build":
        raise KeyError("oh")
    if spec.how == "exit-build":
        os._exit(3)

    class Toy(Classifier):
        def __init__(self):
            super().__init__(info)
            width = 1000 if spec.how == "over" else spec.width
            self.body = torch.nn.Linear(64, width)
            self.head = torch.nn.Linear(width, len(info.classes))
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

        def logits(self, x):
            return self.head(torch.relu(self.body(x.flatten(1))))

        def losses(self, batch):
            found = super().losses(batch)
            if self.training:
                step = int(self.steps)
                with open(Path(os.environ["ZOO_TOY"], "steps.txt"), "a") as file:
                    file.write(f"{spec.mark!r} {step} {os.getpid()}\\n")
                time.sleep(float(os.environ.get("ZOO_TOY_PAUSE", 0)))
                misbehave(spec.how, step)
                self.steps += 1
                if spec.how == "diverge" and step > 4:
                    return {name: value * float("nan") for name, value in found.items()}
            return found

    return Toy()

@hookimpl
def zoo_models():
    yield ModelKind("toy", Options, build)
'''
REGISTRY = """version: 1
entries:
  toy:
    data: {kind: digits, limit: 150}
    model: {kind: toy}
    train: {epochs: 3, batch: 30, schedule: constant, optimizer: sgd}
    tune:
      sampler: random
      grace_period: 1000
      space: {train.batch: null, train.optimizer: null, train.weight_decay: null, train.schedule: null}
"""
"""Three epochs of five steps; nothing is pruned."""
FREE = {"over", "invalid"}
"""Candidates that are refused."""


def place(install: Callable[..., Path]) -> None:
    """The plugin, and a registry with an entry of it in the working directory."""
    install("toy", PLUGIN, harmless=True)
    Path("registry.yaml").write_text(REGISTRY, encoding="utf-8")


def how(*ways: str) -> str:
    """The option that searches these ways to behave."""
    return f"tune.space.model.how=[{','.join(ways)}]"


def seed_for(ways: tuple[str, ...], trials: int) -> int:
    """A seed with which random search comes to each way within the budget."""
    return next(seed for seed in range(10_000) if set(ways) <= set(first(seed, ways, trials)))


def first(seed: int, ways: tuple[str, ...], trials: int) -> list[str]:
    """The ways of the candidates up to the last that counts."""
    study, found = optuna.create_study(), ["fine"]  # the entry itself
    while sum(way not in FREE for way in found) < trials:
        study.sampler = make_sampler(TuneSpec(sampler="random", seed=seed), len(found))
        found.append(study.ask().suggest_categorical("model.how", ways))
    return found
