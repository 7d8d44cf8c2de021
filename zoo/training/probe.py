"""Try what the losses of a classifier go through."""

from __future__ import annotations

from typing import Literal, NoReturn

import torch
from torch import Tensor

from zoo.core.types import Batch
from zoo.models.base import Classifier, in_eval_mode


class ReachedError(Exception):
    """Ends a computation of losses."""


def losses_call(hook: Literal["balanced_loss", "distillation"], model: Classifier, batch: Batch) -> bool:
    """Try whether the losses of a classifier call one of its hooks, as those of the base class do.

    Nothing after the hook is computed, since a teacher may be on another device.
    """

    def stop(*_: Tensor) -> NoReturn:
        raise ReachedError

    own = vars(model).get(hook)
    setattr(model, hook, stop)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), in_eval_mode(model):
            model.losses(Batch(batch.x[:2], batch.y[:2]))
    except ReachedError:
        return True
    finally:
        delattr(model, hook)
        if own is not None:
            setattr(model, hook, own)
    return False
