"""Latent models and generators: an encoder and a decoder, and a prior over the codes between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.kinds import CodeInfo, DataInfo
from zoo.model import Batch, Classifier, Losses, Model, Stage, why_not_compiled
from zoo.prior import Posterior, Prior

LEVELS = 256
"""Values that a channel of a picture has."""


class LatentModel(nn.Module):
    """An encoder to codes and a decoder back; a Generator makes a Model of it by way of a prior."""

    code: CodeInfo

    @property
    def teacher(self) -> str:
        """As of a Model."""
        return ""

    def learn_from(self, teacher: Classifier) -> None:
        """As of a Model."""

    def encode(self, x: Tensor) -> Posterior | Tensor:
        """Pictures with values 0..1, (N, C, H, W): what is believed of their codes, or the code words (N, *shape)."""
        raise NotImplementedError

    def decode(self, code: Tensor) -> Tensor:
        """Codes (N, *shape) to pictures (N, C, H, W); values may lie a little outside of 0..1."""
        raise NotImplementedError

    def distortion(self, x: Tensor, shown: Tensor) -> Tensor:
        """-log p(x | code) in nats (N,) of pictures, given what their codes decode to."""
        raise NotImplementedError

    def learn(self, batch: Batch) -> tuple[Posterior | Tensor, Tensor, Losses]:
        """Encode and decode a batch once: the posterior or the code words, what they decode to, and further losses.

        The further losses are named, weighted scalars beside distortion and rate, as a commitment to code words.
        """
        posterior = self.encode(batch.x)
        code = posterior.sample() if isinstance(posterior, Posterior) else posterior
        return posterior, self.decode(code), {}

    def rate(self, rate: Tensor) -> Tensor:
        """What a training makes of the mean rate, a scalar in nats: a warm-up, free bits, a weight."""
        return rate


class Generator(Model):
    """A latent model and a prior over its codes: it reconstructs, samples, and bounds the likelihood of pictures.

    Continuous codes: both learn together from the evidence lower bound (Kingma & Welling 2013, arXiv:1312.6114). Code
    words: the prior learns after the codec (van den Oord et al. 2017, arXiv:1711.00937).
    """

    def __init__(self, codec: LatentModel, prior: Prior, info: DataInfo) -> None:
        super().__init__()
        self.codec, self.prior, self.info = codec, prior, info
        prior.attach(self.posterior, info)

    def posterior(self, x: Tensor) -> Posterior:
        """What is believed of the continuous codes of pictures (N, C, H, W)."""
        found = self.codec.encode(x)
        assert isinstance(found, Posterior)
        return found

    @property
    def teacher(self) -> str:
        """That of the codec."""
        return self.codec.teacher

    def learn_from(self, teacher: Classifier) -> None:
        """The codec does."""
        self.codec.learn_from(teacher)

    def stages(self) -> list[Stage]:
        """One of everything, or of the codec and then of the prior over its words."""
        if self.codec.code.words is None:
            return [Stage("model", self, self.losses)]
        return [Stage("codec", self.codec, self.codec_losses), Stage("prior", self.prior, self.prior_losses)]

    def losses(self, batch: Batch) -> Losses:
        """Distortion and rate in nats a number of the picture, and what the codec adds."""
        batch = batch._replace(x=dequantised(batch.x))
        posterior, shown, further = self.codec.learn(batch)
        assert isinstance(posterior, Posterior)
        rate = self.codec.rate(self.prior.kl(posterior, self.condition(batch.y)).value.mean())
        distortion = self.codec.distortion(batch.x, shown).mean()
        return {"distortion": distortion / self.size, "rate": rate / self.size, **further}

    def codec_losses(self, batch: Batch) -> Losses:
        """Distortion in nats a number of the picture, and what the codec adds."""
        batch = batch._replace(x=dequantised(batch.x))
        _, shown, further = self.codec.learn(batch)
        return {"distortion": self.codec.distortion(batch.x, shown).mean() / self.size, **further}

    def prior_losses(self, batch: Batch) -> Losses:
        """Rate of the code words in nats a number of the picture."""
        with torch.no_grad():
            words = self.codec.encode(dequantised(batch.x))
        assert isinstance(words, Tensor)
        return {"rate": -self.prior.log_prob(words, self.condition(batch.y)).mean() / self.size}

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """Compile the parts of the codec in place, if a compiler works here and the device is no CPU."""
        device = next(self.parameters()).device.type
        if device == "cpu":
            # Convolutions take nearly all the time there, and those are the same library's either way.
            return "eager"
        if reason := why_not_compiled(device):
            return f"eager ({reason})"
        for part in self.codec.children():
            part.compile(dynamic=False)
        return "torch.compile of the codec"

    def metrics(self, batch: Batch) -> Losses:
        """The bound on the negative log-likelihood, honest whatever the training minimises.

        `bound` = `distortion` + `rate` in nats a picture; `loss` is the bound in bits a number of the picture, for
        pictures of 256 levels with uniform noise (Theis et al. 2015, arXiv:1511.01844). The same draws each time.
        """
        with fixed_draws(batch.x.device):
            x = dequantised(batch.x)
            distortion, rate = (part.mean() for part in self.bound(x, batch.y))
            shown = self.reconstruct(batch.x)
        bound = distortion + rate
        bits = bound / (self.size * math.log(2)) + math.log2(LEVELS)
        mse = F.mse_loss(shown.float().clamp(0, 1), batch.x)
        return {"loss": bits, "bound": bound, "distortion": distortion, "rate": rate, "mse": mse}

    def bound(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Distortion and rate in nats (N,), from one draw of the codes."""
        found = self.codec.encode(x)
        if isinstance(found, Posterior):
            shown = self.codec.decode(found.sample())
            return self.codec.distortion(x, shown), self.prior.kl(found, self.condition(y)).value
        return self.codec.distortion(x, self.codec.decode(found)), -self.prior.log_prob(found, self.condition(y))

    def reconstruct(self, x: Tensor) -> Tensor:
        """What the most likely codes of pictures decode to, (N, C, H, W)."""
        return self.codec.decode(self.codes(x))

    def codes(self, x: Tensor) -> Tensor:
        """The most likely codes of pictures: means, or code words."""
        found = self.codec.encode(x)
        return found.mean if isinstance(found, Posterior) else found

    def sample(self, n: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Pictures (n, C, H, W) drawn from torch's generator; `y` are the labels int64 (n,) of those to draw."""
        condition = None if y is None else self.condition(y)
        return self.codec.decode(self.prior.sample(n, condition, temperature)).float().clamp(0, 1)

    def condition(self, y: Tensor) -> Tensor | None:
        """Labels as what the prior takes, float32 (N, K)."""
        return F.one_hot(y, len(self.info.classes)).float() if self.prior.conditional else None

    @property
    def size(self) -> int:
        """Numbers in a picture."""
        return math.prod(self.info.shape)


def dequantised(x: Tensor) -> Tensor:
    """Pictures of 256 levels, 0..1, with uniform noise within a level."""
    if x.device.type == "meta":
        return x
    return (x * (LEVELS - 1) + torch.rand_like(x)) / LEVELS


@contextmanager
def fixed_draws(device: torch.device, seed: int = 0) -> Iterator[None]:
    """Within the block torch's generator gives the same draws each time; after it, it is where it was."""
    devices = [device] if device.type in ("cuda", "mps") else []
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield
