"""What augmentation is made of: functions of a batch of pictures and of random numbers that they are given."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class Augment:
    """Base class of augmentations: functions of pictures and of random numbers.

    It draws nothing itself, so that the same seed, epoch and step always give the same pictures. Each picture should
    depend on its own random numbers alone; that of a library which draws for whole batches may depend on the others.

    Example:
        >>> import torch
        >>> from zoo.data import Augment
        >>> class Darken(Augment):
        ...     draws = 1
        ...     def __call__(self, x, u):
        ...         return x * u[:, :, None, None]
        >>> Darken()(torch.ones(1, 1, 2, 2), torch.tensor([[0.25]])).mean()
        tensor(0.2500)
    """

    draws: int = 0
    """Random numbers for each picture."""
    on_cpu: bool = False
    """Whether the random numbers stay on the CPU, for decisions in Python that would otherwise wait for the device."""

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        """Augment pictures.

        Args:
            x: Pictures, float32 (N, C, H, W), values 0..1. They may be changed in place.
            u: Random numbers, float32 (N, draws), uniform in 0..1 without 1.

        Returns:
            Pictures of the same shape and type, values 0..1.
        """
        raise NotImplementedError


class Mix:
    """Base class of augmentations that mix each picture, and its label, with another.

    Example:
        >>> import torch
        >>> from zoo.data import Mix
        >>> class Half(Mix):
        ...     def mix(self, x, other, u):
        ...         return (x + other) / 2, x.new_full((len(x),), 0.5)
        >>> pictures, shares = Half().mix(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2), torch.empty(2, 0))
        >>> shares
        tensor([0.5000, 0.5000])
    """

    draws: int = 0
    """Random numbers for each picture."""
    on_cpu: bool = False
    """Whether the random numbers stay on the CPU, for decisions in Python that would otherwise wait for the device."""

    def mix(self, x: Tensor, other: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Mix pictures.

        Args:
            x: Pictures, float32 (N, C, H, W), values 0..1. They may be changed in place.
            other: The picture that each is mixed with, likewise; not to be changed.
            u: Random numbers, float32 (N, draws), uniform in 0..1 without 1.

        Returns:
            The mixed pictures, and the share (N,) of each picture's own label, 0..1; the rest is the other one's.
        """
        raise NotImplementedError


class OneOf(Augment):
    """An augmentation that applies one of several to each picture, each equally often.

    Args:
        choices: The augmentations to choose from; the first random number of a picture chooses, the others are theirs.

    Raises:
        ValueError: If there are none.

    Example:
        >>> from zoo.data import Augment, OneOf
        >>> OneOf([Augment(), Augment()]).draws
        1
    """

    def __init__(self, choices: Sequence[Augment]) -> None:
        if not choices:
            raise ValueError("there is nothing to choose from")
        self.choices = tuple(choices)
        self.draws = 1 + max(choice.draws for choice in self.choices)
