"""Latent models, which encode pictures to codes and decode them, and helpers for their evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.core.types import Batch, CodeInfo, Losses
from zoo.models.base import Classifier
from zoo.models.prior import Posterior

PIXEL_LEVELS = 256
"""Number of values that a pixel can have in each channel."""
MAX_PSNR = 100.0
"""Largest PSNR in decibels; that of an exact reconstruction would be infinite."""


class LatentModel(nn.Module):
    """Base class of latent models: an encoder to codes and a decoder back.

    A Generator combines it with a prior. A subclass sets `code` and implements `encode`, `decode` and
    `distortion`.

    Example:
        >>> import torch
        >>> from zoo import CodeInfo
        >>> from zoo.models import LatentModel, Posterior
        >>> class Pixels(LatentModel):
        ...     code = CodeInfo((16,))
        ...     def encode(self, x):
        ...         return Posterior(x.flatten(1), torch.full((len(x), 16), -2.0))
        ...     def decode(self, code):
        ...         return code.view(-1, 1, 4, 4)
        ...     def distortion(self, x, decoded):
        ...         return (x - decoded).square().flatten(1).sum(1)
        >>> codec, x = Pixels(), torch.rand(3, 1, 4, 4)
        >>> codec.distortion(x, codec.decode(codec.encode(x).mean))
        tensor([0., 0., 0.])
    """

    code: CodeInfo

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

    def encode(self, x: Tensor) -> Posterior | Tensor:
        """Encode pictures.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            The posterior over their continuous codes, or their code words int64 (N, *shape).
        """
        raise NotImplementedError

    def decode(self, code: Tensor) -> Tensor:
        """Decode codes.

        Args:
            code: Codes (N, *shape).

        Returns:
            Pictures (N, C, H, W); values may lie a little outside 0..1.
        """
        raise NotImplementedError

    def distortion(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute the distortion of pictures: -log p(x | code) in nats.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.
            decoded: The pictures to which their codes decode.

        Returns:
            Nats (N,).
        """
        raise NotImplementedError

    def learn(self, batch: Batch) -> tuple[Posterior | Tensor, Tensor, Losses]:
        """Encode and decode a batch of training pictures once.

        Args:
            batch: Pictures and labels.

        Returns:
            The posterior or the code words; the pictures to which they decode; and named, weighted scalars to
            minimise besides distortion and rate, such as a commitment loss.
        """
        posterior = self.encode(batch.x)
        code = posterior.sample() if isinstance(posterior, Posterior) else posterior
        return posterior, self.decode(code), {}

    def rate(self, rate: Tensor) -> Tensor:
        """Adjust the rate in the training loss: warm-up, free bits or a weight.

        Args:
            rate: The mean rate of a batch, a scalar in nats.

        Returns:
            The scalar to minimise; by default the rate itself.
        """
        return rate


def dequantise(x: Tensor) -> Tensor:
    """Add uniform noise within a level to pictures of 256 levels.

    Args:
        x: Pictures with values 0, 1/255, ..., 1.

    Returns:
        Pictures of the same shape with values in [0, 1), as continuous densities need them.

    Example:
        >>> import torch
        >>> from zoo.models import dequantise
        >>> noisy = dequantise(torch.ones(2, 1, 4, 4))
        >>> bool((noisy >= 255 / 256).all())
        True
    """
    if x.device.type == "meta":
        return x
    return (x * (PIXEL_LEVELS - 1) + torch.rand_like(x)) / PIXEL_LEVELS


@contextmanager
def fixed_seed(device: torch.device, seed: int = 0) -> Iterator[None]:
    """Seed torch's random number generators within a block.

    The state of the random number generator is restored after the block.

    Args:
        device: The device on which random numbers are drawn, besides the CPU.
        seed: Seed of the draws.

    Yields:
        Nothing.

    Example:
        >>> import torch
        >>> from zoo.models import fixed_seed
        >>> with fixed_seed(torch.device("cpu")):
        ...     first = torch.rand(3)
        >>> with fixed_seed(torch.device("cpu")):
        ...     second = torch.rand(3)
        >>> torch.equal(first, second)
        True
    """
    devices = [device] if device.type in ("cuda", "mps") else []
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield
