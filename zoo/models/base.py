"""Base classes of models: stages of a training, `Model` and `Classifier`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.errors import one_line
from zoo.core.types import Batch, DataInfo, Losses

MIN_STD = 1e-3
"""Smallest standard deviation by which a channel is divided, for channels that hardly vary."""
_saved_follow: ContextVar[bool] = ContextVar("saved_follow", default=False)


@contextmanager
def saved_weights_follow() -> Iterator[None]:
    """Make `wants_pretrained` return False within the block, because saved weights are loaded afterwards."""
    token = _saved_follow.set(True)
    try:
        yield
    finally:
        _saved_follow.reset(token)


def wants_pretrained() -> bool:
    """Whether a `build` function should fetch pretrained weights.

    Returns:
        False if saved weights of a run are loaded right after the model is built, otherwise True.

    Example:
        >>> from zoo.models import wants_pretrained
        >>> wants_pretrained()
        True
    """
    return not _saved_follow.get()


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Put a model in eval mode within the block, then restore the mode of each module."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


class Encoding(NamedTuple):
    """What a stage computes once for each picture, by parts that it does not train.

    With `train.stages.NAME.cache` the trainer keeps it, instead of computing it in every epoch.

    Args:
        encode: Maps pictures (N, C, H, W) with values 0..1 to a tensor (N, ...), without drawing random numbers.
        losses: Computes the stage's losses for a batch whose `x` is what `encode` returned.

    Example:
        >>> import torch
        >>> from zoo.models import Encoding
        >>> encoding = Encoding(lambda x: x.mean((2, 3)), lambda batch: {"loss": batch.x.square().mean()})
        >>> tuple(encoding.encode(torch.zeros(5, 3, 8, 8)).shape)
        (5, 3)
    """

    encode: Callable[[Tensor], Tensor]
    losses: Callable[[Batch], Losses]


class Stage(NamedTuple):
    """One optimisation of a training: a module and the losses it learns from.

    The trainer minimises the sum of the losses; all other parameters of the model are frozen, in eval mode.

    Args:
        name: Name of the stage, which `train.stages` uses.
        module: The module to train.
        losses: Computes named, weighted scalars for a batch.
        encoding: What the stage can compute once for each picture; None if there is nothing.

    Example:
        >>> from torch import nn
        >>> from zoo.models import Stage
        >>> head = nn.Linear(4, 2)
        >>> stage = Stage("head", head, lambda batch: {"loss": head(batch.x).square().mean()})
        >>> stage.name
        'head'
    """

    name: str
    module: nn.Module
    losses: Callable[[Batch], Losses]
    encoding: Encoding | None = None


class Model(nn.Module):
    """Base class of all models: what the trainer and the evaluation call.

    A subclass must implement `losses`; everything else has a default.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from zoo.models import Batch, Model
        >>> class Mean(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.level = nn.Parameter(torch.zeros(()))
        ...     def losses(self, batch):
        ...         return {"error": (batch.x - self.level).square().mean()}
        >>> batch = Batch(torch.ones(2, 1, 4, 4), torch.tensor([0, 1]))
        >>> {name: value.item() for name, value in Mean().metrics(batch).items()}
        {'loss': 1.0, 'error': 1.0}
    """

    def losses(self, batch: Batch) -> Losses:
        """Compute the losses of a batch.

        Args:
            batch: Pictures and labels.

        Returns:
            Named, already weighted scalars, whose sum the trainer minimises.
        """
        raise NotImplementedError

    def metrics(self, batch: Batch) -> Losses:
        """Compute figures of a batch, which evaluation averages over a split.

        Args:
            batch: Pictures and labels.

        Returns:
            Named scalars, means over the batch; `loss` is the one by which weights are chosen. By default the
            losses and their sum.
        """
        losses = self.losses(batch)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    def comparable_losses(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Convert the losses of a training epoch to the units of `metrics`.

        Args:
            losses: The mean of each loss of a stage over the epoch.

        Returns:
            Figures under the names that `metrics` has for them; by default `loss`, the sum of the losses.
        """
        return {"loss": losses.get("loss", sum(losses.values()))}

    def stages(self) -> list[Stage]:
        """List the stages of a training, in their order.

        Returns:
            By default one stage, which trains the whole model on `losses`.
        """
        return [Stage("model", self, self.losses)]

    def initialise(self, batch: Batch) -> None:
        """Initialise weights that follow from the pictures, such as the filters of a whitening layer.

        It is called before a training, with training pictures that are not augmented; by default nothing follows from
        them. Saved weights are loaded afterwards.

        Args:
            batch: Pictures and labels, at most 1,000, spread evenly over the training set, on the CPU.
        """

    def set_texts(self, texts: Sequence[str]) -> None:
        """Receive the texts, to which the `texts` of a batch refer, before training or evaluation.

        By default they are not used.

        Args:
            texts: All different texts; empty if the pictures have none.
        """

    @property
    def validation_stride(self) -> int:
        """Stride of validation during training, above 1 for models with costly metrics.

        Every n-th validation picture is used for a stride of n.
        At least 64 pictures are used if there are so many. Evaluations use all.
        """
        return 1

    @property
    def takes_mixed_labels(self) -> bool:
        """Whether `losses` learn from the `targets` of a batch, which mixup and cutmix need.

        True for a classifier with the losses of its base class; one with losses of its own may return True.
        """
        return False

    @property
    def takes_smaller_pictures(self) -> bool:
        """Whether `losses` also learn from pictures smaller than those of `info`, which progressive resizing needs.

        By default not. A network whose layers go with any height and width may return True.
        """
        return False

    @property
    def teacher(self) -> str:
        """The registry entry of the classifier that this model learns from; empty for none.

        The trainer first trains that entry on the same pictures, then calls `learn_from`.
        """
        return ""

    def learn_from(self, teacher: Classifier) -> None:
        """Receive the trained teacher before the training starts.

        It is called only if `teacher` names an entry.

        Args:
            teacher: The classifier, in eval mode on the device.
        """

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """Make training steps faster, without changing the name or meaning of a parameter.

        It is called at most once, after the model is on the device, and only if the training is long enough. By default
        the module is compiled in place, if a compiler works.

        Args:
            autocast: The type to which operations are autocast; None for float32.

        Returns:
            A note of what runs, such as "torch.compile" or "eager (no compiler)".
        """
        parameter = next(self.parameters(), None)
        if reason := why_not_compiled(parameter.device.type if parameter is not None else "cpu"):
            return f"eager ({reason})"
        self.compile(dynamic=False)
        return "torch.compile"

    def prepare_export(self) -> None:
        """Replace what torch.export cannot trace by something that computes the same.

        It is called once, before the model is exported, in eval mode on the CPU; the model is used for nothing else
        afterwards. By default nothing is replaced. A batch of any size must be traceable, so `x.shape[0]` is right
        and `len(x)`, which fixes the size, is wrong.

        Raises:
            ZooError: If the model cannot be exported; the message gives the reason.
        """


@cache
def why_not_compiled(device: str) -> str:
    """Test whether torch.compile works on a type of device.

    Args:
        device: The type of a device: "cpu", "cuda" or "mps".

    Returns:
        The reason in one line if it fails, an empty string if it works.

    Example:
        >>> from zoo.models import why_not_compiled
        >>> reason = why_not_compiled("cuda")  # doctest: +SKIP
    """
    logger = logging.getLogger("torch.utils.cpp_extension")  # where there is a CUDA toolkit and no GPU, it says so
    logger.addFilter(quiet := lambda record: record.levelno > logging.WARNING)
    try:
        torch.compile(lambda x: -x)(torch.ones(4, device=device))
    except Exception as error:  # whatever is missing or broken, training continues without it
        return (one_line(str(error)) or type(error).__name__)[:120]
    finally:
        logger.removeFilter(quiet)
    return ""


class Classifier(Model):
    """Base class of classifiers: models that give each picture a score per class.

    A subclass must implement `logits`; standardisation of the pictures, losses and metrics are here.

    Args:
        info: Classes, and mean and standard deviation of the channels.
        label_smoothing: Share of the target that is spread over all classes (Szegedy et al. 2016, arXiv:1512.00567).

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from zoo import DataInfo
        >>> from zoo.models import Classifier
        >>> class Linear(Classifier):
        ...     def __init__(self, info):
        ...         super().__init__(info)
        ...         self.layer = nn.Linear(64, len(info.classes))
        ...     def logits(self, x):
        ...         return self.layer(x.flatten(1))
        >>> model = Linear(DataInfo.of((1, 8, 8), ("cat", "dog")))
        >>> tuple(model(torch.rand(5, 1, 8, 8)).shape)
        (5, 2)
    """

    mean: Tensor
    std: Tensor
    class_weights: Tensor | None
    class_offsets: Tensor | None
    distillation: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def __init__(self, info: DataInfo, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.classes = info.classes
        self.label_smoothing = label_smoothing
        std = [max(value, MIN_STD) for value in info.std]
        self.register_buffer("mean", torch.tensor(info.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        self.register_buffer("class_weights", None, persistent=False)
        self.register_buffer("class_offsets", None, persistent=False)

    @property
    def takes_mixed_labels(self) -> bool:
        """Whether `losses` learn from the `targets` of a batch.

        True unless a subclass has losses of its own.
        """
        return type(self).losses is Classifier.losses

    @property
    def averaging(self) -> str:
        """How predictions are averaged at test time; an empty string if they are not."""
        return ""

    def logits(self, x: Tensor) -> Tensor:
        """Compute the scores of standardised pictures.

        Args:
            x: Pictures (N, C, H, W) with mean 0 and standard deviation 1 in each channel.

        Returns:
            Unnormalised log-probabilities (N, K).
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores of pictures.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Unnormalised log-probabilities (N, K).
        """
        return self.logits((x - self.mean) / self.std)

    def losses(self, batch: Batch) -> Losses:
        """Compute the cross-entropy in nats, with label smoothing and the class balance of the training.

        Mixed labels count by their shares. Where it learns from a teacher (`train.teacher`), the divergence from that
        is mixed in.

        Args:
            batch: Pictures and labels.

        Returns:
            The scalar `loss`.
        """
        scores = self(batch.x).float()
        loss = self.balanced_loss(scores, batch.labels)
        return {"loss": loss if self.distillation is None else self.distillation(batch.x, scores, loss)}

    def balanced_loss(self, scores: Tensor, y: Tensor) -> Tensor:
        """Compute the cross-entropy in nats, with label smoothing and the class balance of the training.

        Args:
            scores: Unnormalised log-probabilities (N, K).
            y: Labels int64 (N,), or shares of the classes (N, K).

        Returns:
            The mean over the batch.
        """
        if self.class_offsets is not None:
            scores = scores + self.class_offsets
        if self.class_weights is None:
            return F.cross_entropy(scores, y, label_smoothing=self.label_smoothing)
        weights = y.to(scores.dtype) @ self.class_weights if y.is_floating_point() else self.class_weights[y]
        loss = F.cross_entropy(scores, y, label_smoothing=self.label_smoothing, reduction="none")
        return (weights * loss).mean()

    def metrics(self, batch: Batch) -> Losses:
        """Compute cross-entropy in nats, without label smoothing, and accuracy.

        Args:
            batch: Pictures and labels.

        Returns:
            The scalars `loss` and `accuracy`.
        """
        scores = self(batch.x).float()
        accuracy = (scores.argmax(1) == batch.y).float().mean()
        return {"loss": F.cross_entropy(scores, batch.y), "accuracy": accuracy}
