"""A training with any combination of options, stopped or killed at random, ends with the same weights, bit for bit.

Each round draws options by its number. `ZOO_RESUME_ROUNDS=200` runs more of them, and `ZOO_RESUME_FIRST=300` others.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import zoo
from zoo.core.errors import InterruptedRun
from zoo.training.callbacks import Callback

FIRST, ROUNDS = int(os.environ.get("ZOO_RESUME_FIRST", "0")), int(os.environ.get("ZOO_RESUME_ROUNDS", "5"))
TINY = {
    "cnn": ("model.blocks=2", "model.first=4", "model.last=8", "model.head=1"),
    "plain-875k": ("model.first=8", "model.widest=16", "model.depth=1"),
}
FREE = {
    "train.clip": (0.5,),
    "train.lr_bias": (4,),
    "train.lr_norm": (0.5,),
    "train.decay_bias": (1,),
    "train.decay_norm": (0.5,),
    "train.decoupled": ("true", "false"),
    "train.accumulate": (2, 3),
    "train.seed": (1, 2),
    "train.precision": ("float32", "bfloat16", "float16"),
    "train.compile": ("off",),
    "train.augment.flip": ("true", "alternate"),
    "train.augment.cutout": (3,),
    "train.augment.brightness": (0.3,),
    "train.augment.contrast": (0.3,),
    "train.augment.pad": (0, 2),
    "train.augment.then": ("mixup", "cutmix p=0.5", "trivial-augment, mixup", "affine, colour-jitter, flip"),
    "train.weight_decay": (0.1,),
    "model.label_smoothing": (0.2,),
    "data.imbalance": (6,),
}
"""Options that go with all others, and values of them that are not the default."""
TEACHER = "teacher"
"""The run that some trainings learn from."""


class Killed(BaseException):
    """Ends a training at once, as a kill does: nothing is saved or recorded on the way."""


class Breaker(Callback):
    """Counts steps, and stops or kills the training after one of them."""

    def __init__(self, at: int = -1, kill: bool = False) -> None:
        self.at, self.kill, self.steps = at, kill, 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at and self.kill:
            raise Killed
        if self.steps == self.at:
            signal.raise_signal(signal.SIGINT)


def options(draw: random.Random) -> Iterator[str]:
    """Draw options of a training, without any that would have no effect."""
    yield f"train.optimizer={draw.choice(('adamw', 'sgd', 'muon'))}"
    yield f"train.lr={draw.choice((0.003, 0.01, 0.03))}"
    yield f"train.epochs={draw.choice((3, 5, 8))}"
    yield f"train.batch={draw.choice((16, 30))}"
    schedule = draw.choice(("constant", "linear", "cosine", "one-cycle", "plateau", "triangular", "wsd"))
    yield f"train.schedule={schedule}"
    yield f"train.warmup={draw.choice((0, 0.1, 0.3))}"
    yield from ["train.cooldown=0.4"] * (schedule == "wsd")
    ema, lookahead = draw.choice(((0.9, "null"), (0, 3), (0, "null")))
    yield from (f"train.ema={ema}", f"train.lookahead={lookahead}")
    if (balance := draw.choice(("none", "sampler", "loss", "logit-adjustment"))) != "none":
        yield f"train.balance={balance}"
        yield f"train.balance_power={draw.choice((0.5, 1))}"
    yield from stopping(draw)
    yield from [f"train.teacher={TEACHER}"] * (draw.random() < 0.2)
    for key, values in FREE.items():
        if draw.random() < 0.4:
            yield f"{key}={draw.choice(values)}"


def stopping(draw: random.Random) -> Iterator[str]:
    """Draw what chooses the kept epoch and when the training ends."""
    keep = draw.choice(("best", "last"))
    yield f"train.keep={keep}"
    if patient := draw.random() < 0.5:
        yield f"train.patience={draw.choice((1, 2))}"
        yield f"train.min_delta={draw.choice((0, 0.05, 1000))}"
    if (keep == "best" or patient) and draw.random() < 0.6:
        yield f"train.monitor={draw.choice(('accuracy', 'macro_accuracy', 'macro_f1'))}"


def train(entry: str, words: Sequence[str], out: str, callback: Breaker) -> str:
    return zoo.train(
        entry, "data.kind=digits", "data.limit=90", *TINY[entry], *words, out=out, callback=callback
    ).weights_sha256


@pytest.mark.parametrize("number", range(FIRST, FIRST + ROUNDS))
def test_whatever_the_options_an_interrupted_training_ends_with_the_same_weights(home: Path, number: int) -> None:
    draw = random.Random(number)
    entry = draw.choice(list(TINY))
    words = list(options(draw))
    if entry == "plain-875k" and f"train.teacher={TEACHER}" not in words and draw.random() < 0.5:
        words.append("train.initial_scale=0.5")
    if f"train.teacher={TEACHER}" in words:
        train("cnn", [word for word in words if word.startswith("data.")], TEACHER, Breaker())
    whole = Breaker()
    expected = train(entry, words, "whole", whole)
    save = draw.choice((0, 0.01, 0.05))
    found, breaks = "", 0
    while not found:
        at = draw.randint(1, whole.steps) if breaks < 3 else -1
        try:
            found = train(entry, [*words, f"train.save_seconds={save}"], "broken", Breaker(at, draw.random() < 0.5))
        except (InterruptedRun, Killed):
            breaks += 1
    assert breaks
    assert found == expected, words
    assert zoo.load("broken").log() == zoo.load("whole").log(), words
    assert zoo.load("broken").record.get("stopped") == zoo.load("whole").record.get("stopped")
