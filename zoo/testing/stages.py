"""Rules of training stages: losses, gradients, and what a stage must not change."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from zoo.core.types import Batch
from zoo.models.base import Model
from zoo.testing.building import ShortTraining, model_and_batch
from zoo.testing.check import Subject
from zoo.testing.rule import broken_on_error, require, rule

STEPS = 30
LEARNERS = ("model", "prior", "text")


@rule(*LEARNERS)
def finite_losses(subject: Subject) -> None:
    """The losses of each stage are named finite scalars, in training and in evaluation."""
    model, batch = model_and_batch(subject)
    for stage in model.stages():
        for mode in (True, False):
            stage.module.train(mode)
            with broken_on_error(f"losses of stage {stage.name!r}"):
                losses = stage.losses(batch)
            require(
                isinstance(losses, dict) and losses,
                f"stage {stage.name!r} returns {losses!r:.80}, not a dict of losses",
            )
            for name, value in losses.items():
                where = f"the loss {name!r} of stage {stage.name!r}"
                require(isinstance(value, Tensor) and value.ndim == 0, f"{where} is {value!r:.80}, not a scalar")
                require(bool(torch.isfinite(value)), f"{where} is {value.item()} before any training")


@rule(*LEARNERS)
def gradients(subject: Subject) -> None:
    """The losses of a stage give a gradient to all of its parameters and to no others."""
    model, batch = model_and_batch(subject)
    training = ShortTraining(model)
    for stage in training.stages:
        training.start(stage, STEPS)
        own = {id(parameter) for parameter in stage.module.parameters()}
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        require(named, f"stage {stage.name!r} has no trainable parameters")
        for seed in range(3):  # the random draws of a single step may not use every parameter
            torch.manual_seed(seed)
            backward(stage.losses(batch))
        silent = [name for name, parameter in named if id(parameter) in own and parameter.grad is None]
        require(
            not silent,
            f"stage {stage.name!r}: {first_names(silent)} without a gradient; use them, or freeze them in __init__",
        )
        wild = [name for name, each in named if each.grad is not None and not bool(torch.isfinite(each.grad).all())]
        require(not wild, f"stage {stage.name!r}: the gradient of {first_names(wild)} is not finite")
        strange = [name for name, each in model.named_parameters() if id(each) not in own and each.grad is not None]
        require(not strange, f"stage {stage.name!r}: {first_names(strange)} of another stage gets a gradient")
        model.zero_grad()


@rule(*LEARNERS)
def other_stages_stay(subject: Subject) -> None:
    """Training a stage changes no parameters or buffers of other stages."""
    model, batch = model_and_batch(subject)
    training = ShortTraining(model)
    for stage in training.stages:
        own = {id(value) for value in (*stage.module.parameters(), *stage.module.buffers())}
        others = {name: value for name, value in tensors(model).items() if id(value) not in own}
        before = {name: value.detach().clone() for name, value in others.items()}
        training.run(stage, batch, 3)
        changed = [name for name, value in before.items() if not torch.equal(value, tensors(model)[name])]
        require(
            not changed,
            f"training stage {stage.name!r} changes {first_names(changed)}, which is not part of its module",
        )


@rule(*LEARNERS)
def learns(subject: Subject) -> None:
    """Thirty steps on one batch reduce the loss of each stage.

    Uses AdamW with a learning rate of 0.002. Adversarial stages should be a single stage whose losses are summed.
    """
    model, batch = model_and_batch(subject)
    training = ShortTraining(model)
    for index, stage in enumerate(training.stages):
        untouched = deepcopy(model)
        before = loss_of(untouched, index, batch)
        torch.manual_seed(0)
        training.run(stage, batch, STEPS)
        after = loss_of(restore_counters(model, untouched), index, batch)
        text = f"the loss of stage {stage.name!r} is {before:.4g} before {STEPS} steps and {after:.4g} after them"
        require(after < before, f"{text}; does every loss depend on the parameters?")


def loss_of(model: Model, index: int, batch: Batch) -> float:
    """Compute the training loss of a stage with a fixed seed, without changing the model."""
    model = deepcopy(model)
    stage = model.stages()[index]
    model.eval()
    stage.module.train()
    torch.manual_seed(0)
    with torch.no_grad():
        return torch.stack([value.float() for value in stage.losses(batch).values()]).sum().item()


def restore_counters(model: Model, before: Model) -> Model:
    """Copy the model with the step counters of `before`, so that losses under a warm-up are comparable."""
    model = deepcopy(model)
    for name, value in model.named_buffers():
        if not value.is_floating_point():
            value.copy_(dict(before.named_buffers())[name])
    return model


def backward(losses: dict[str, Tensor]) -> None:
    """Compute the gradients of the sum of the losses."""
    total: Tensor = torch.stack([value.float() for value in losses.values()]).sum()
    with broken_on_error("the backward pass"):
        total.backward()  # type: ignore[no-untyped-call]


def tensors(model: Model) -> dict[str, Tensor]:
    """Collect parameters and buffers by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def first_names(names: list[str]) -> str:
    """Format up to three names and the number of others."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
