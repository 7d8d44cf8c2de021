"""What all stages of a training share, also where only the speed or a learning rate is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from typing import Any

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.sections import StageSpec, TrainSpec
from zoo.core.types import Batch
from zoo.data.dataset import Splits
from zoo.data.loader import Loader
from zoo.models.base import Encoding, Model, Stage
from zoo.models.device import autocast_type
from zoo.models.distillation import teacher_of
from zoo.registry.build_augment import build_augmenter
from zoo.training.encoded import EncodedLoader
from zoo.training.freeze import frozen_modules
from zoo.training.stepper import Stepper


class Setup:
    """A model on its device, with the loader and the optimiser of each stage.

    Args:
        model: The model, of which the frozen parameters need no gradient.
        spec: The options of the training.
        splits: The pictures.
        device: Where the training runs.
        loaded: Names of the parameters that were taken from a run.
    """

    def __init__(
        self, model: Model, spec: TrainSpec, splits: Splits, device: torch.device, loaded: Collection[str] = ()
    ) -> None:
        self.spec, self.splits, self.device = spec, splits, device
        self.trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.model = model.to(device)
        self.loaded = [value for name, value in self.model.named_parameters() if name in loaded]
        self.frozen = list(frozen_modules(self.model, spec.frozen))
        self.autocast = autocast_type(device, spec.precision)
        self.memory_format = torch.contiguous_format

    def accelerate(self, wanted: bool) -> str:
        """Choose the memory format, accelerate the model and its teacher if wanted, and say how the model runs."""
        if wanted or self.device.type == "cuda":
            self.memory_format = torch.channels_last
        self.model.to(memory_format=self.memory_format)
        how = self.model.accelerate(self.autocast) if wanted else "eager"
        if teacher := teacher_of(self.model):
            teacher.to(memory_format=self.memory_format)
            if wanted:
                teacher.accelerate(self.autocast)
        return how

    def trains(self, stage: Stage) -> bool:
        """Return whether a stage has parameters that are not frozen."""
        own = {id(parameter) for parameter in self.trainable}
        return not self.spec.frozen or any(id(each) in own for each in stage.module.parameters())

    def loader(self, spec: StageSpec) -> Loader:
        """Make the loader of a stage, of pictures."""
        return Loader(*self.loader_arguments(spec))

    def stage_and_loader(self, stage: Stage, spec: StageSpec) -> tuple[Stage, Loader]:
        """Return the stage and its loader, both for encoded pictures where these are kept."""
        encoding = kept_encoding(stage, spec)
        if encoding is None:
            return stage, self.loader(spec)
        encode, layout = encoding.encode, self.memory_format

        def encode_batch(x: Tensor) -> Tensor:
            return encode(x.contiguous(memory_format=layout))

        loader = EncodedLoader(encode_batch, self.autocast, *self.loader_arguments(spec))
        return stage._replace(losses=encoding.losses), loader

    def loader_arguments(self, spec: StageSpec) -> tuple[Any, ...]:
        """Return the arguments of a stage's loader."""
        train, augmenter = self.spec, build_augmenter(self.spec, self.splits.info)
        common = train.augment, train.seed, self.device, train.sampler_power, augmenter
        return self.splits.train, spec.step_pictures, *common

    def stepper(self, stage: Stage, spec: StageSpec, steps: int) -> Stepper:
        """Prepare the optimisation of a stage; ZooError if all its parameters are frozen."""
        if not self.trains(stage):
            text = f"train.freeze leaves nothing to train in the stage {stage.name!r}"
            raise ZooError(text, "freeze fewer parameters")
        own = self.trainable, self.loaded
        return Stepper(self.model, stage, spec, steps, self.autocast, self.memory_format, *own)

    def set_train_mode(self, stage: Stage) -> None:
        """Let a stage train, without the statistics of what is frozen."""
        stage.module.train()
        for module in self.frozen:
            module.eval()


def kept_encoding(stage: Stage, spec: StageSpec) -> Encoding | None:
    """Return what encodes each picture of a stage once; None if encoded pictures are not kept."""
    return stage.encoding if spec.cache else None


def endless(loader: Loader, stage: Stage) -> Iterator[Batch]:
    """Yield the batches of one epoch after another."""
    for epoch in count():
        yield from loader.epoch(stage.name, epoch)
