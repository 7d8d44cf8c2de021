"""Trainings in processes that are forked from one that has imported torch already, so that starting one is quick."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

PRELOADED = ["torch._dynamo", "sklearn.datasets", "zoo.training.session", "zoo_classifiers.model", "zoo_data.digits"]


def train(overrides: Sequence[str], out: str) -> None:
    """Train `cnn` into a folder."""
    import zoo

    zoo.train("cnn", *overrides, out=out)


def start_training(overrides: Sequence[str], out: str) -> BaseProcess:
    """Start `train` in a process of its own, which can be killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=train, args=(overrides, out))
    process.start()
    return process
