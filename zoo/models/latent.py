"""Latent models and generators: an encoder and a decoder, and a prior over the codes between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.types import Batch, CodeInfo, DataInfo, Losses
from zoo.models.base import Classifier, Model, Stage, why_not_compiled
from zoo.models.prior import Posterior, Prior, Term, as_float32, single_term
from zoo.models.text import Classes, TextEncoder

PIXEL_LEVELS = 256
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

    def __init__(self, codec: LatentModel, prior: Prior, info: DataInfo, text: TextEncoder | None = None) -> None:
        super().__init__()
        self.codec, self.prior, self.info = codec, prior, info
        self.text = text or Classes(info)
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
        """One of everything, or of the codec and then of the prior over its codes."""
        if self.codec.code.words is None and self.prior.joint:
            return [Stage("model", self, self.losses)]
        told = nn.ModuleList([self.prior, self.text])
        return [Stage("codec", self.codec, self.codec_losses), Stage("prior", told, self.prior_losses)]

    def losses(self, batch: Batch) -> Losses:
        """Distortion and rate in nats a number of the picture, and what the codec adds."""
        batch, condition = self.seen(batch)
        posterior, shown, further = self.codec.learn(batch)
        assert isinstance(posterior, Posterior)
        rate = self.codec.rate(self.prior.kl(posterior, condition).value.mean())
        distortion = self.codec.distortion(batch.x, shown).mean()
        return {"distortion": distortion / self.size, "rate": rate / self.size, **further}

    def codec_losses(self, batch: Batch) -> Losses:
        """Distortion in nats a number of the picture, and what the codec adds; of continuous codes the rate as well.

        That is the one under N(0, I), so that the codes which the prior learns afterwards stay near 0.
        """
        batch, _ = self.seen(batch)
        found, shown, further = self.codec.learn(batch)
        losses = {"distortion": self.codec.distortion(batch.x, shown).mean() / self.size, **further}
        if isinstance(found, Posterior):
            losses["rate"] = self.codec.rate(from_normal(found).mean()) / self.size
        return losses

    def prior_losses(self, batch: Batch) -> Losses:
        """Cross-entropy of the codes in nats a number of the picture."""
        batch, condition = self.seen(batch)
        with torch.no_grad():
            found = self.codec.encode(batch.x)
            code = found.sample() if isinstance(found, Posterior) else found
        return {"rate": -self.prior.log_prob(code, condition).mean() / self.size}

    def seen(self, batch: Batch) -> tuple[Batch, Tensor | None]:
        """A batch as it is learnt from, dequantised and some of it mixed, and its conditions (N, K)."""
        x, condition = dequantised(batch.x), self.condition(batch.y)
        if condition is not None and (count := round(self.prior.mixup * len(x))):
            shares = torch.rand(count, device=x.device)
            x, condition = mixed(x, shares), mixed(condition, shares)
        return batch._replace(x=x), condition

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
            distortion, rate = (part.mean() for part in self.bound(x, self.condition(batch.y)))
            shown = self.reconstruct(batch.x)
        bound = distortion + rate
        bits = bound / (self.size * math.log(2)) + math.log2(PIXEL_LEVELS)
        mse = F.mse_loss(shown.float().clamp(0, 1), batch.x)
        return {"loss": bits, "bound": bound, "distortion": distortion, "rate": rate, "mse": mse}

    def bound(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Distortion and rate in nats (N,) given a condition, from one draw of the codes."""
        found = self.codec.encode(x)
        if isinstance(found, Posterior):
            shown = self.codec.decode(found.sample())
            return self.codec.distortion(x, shown), self.prior.kl(found, condition).value
        return self.codec.distortion(x, self.codec.decode(found)), -self.prior.log_prob(found, condition)

    def reconstruct(self, x: Tensor) -> Tensor:
        """What the most likely codes of pictures decode to, (N, C, H, W)."""
        return self.codec.decode(self.codes(x))

    def codes(self, x: Tensor) -> Tensor:
        """The most likely codes of pictures: means, or code words."""
        found = self.codec.encode(x)
        return found.mean if isinstance(found, Posterior) else found

    def sample(self, n: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Pictures (n, C, H, W) drawn from torch's generator; `y` are the labels int64 (n,) of those to draw."""
        return self.blend(n, single_term(None if y is None else self.condition(y)), temperature)

    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        """Pictures (n, C, H, W) whose codes the prior draws from a product of its densities."""
        return self.codec.decode(self.prior.blend(n, terms, temperature)).float().clamp(0, 1)

    def condition(self, y: Tensor) -> Tensor | None:
        """Labels as what the prior takes, float32 (N, K)."""
        return self.text.labels(y) if self.prior.conditional else None

    @property
    def size(self) -> int:
        """Numbers in a picture."""
        return math.prod(self.info.shape)


def mixed(rows: Tensor, shares: Tensor) -> Tensor:
    """Rows (N, ...) of which the first have the share (M,) of the row before; batches are in random order."""
    count = len(shares)
    weight = shares.to(rows.dtype).view(-1, *(1,) * (rows.ndim - 1))
    return torch.cat([torch.lerp(rows[:count], rows.roll(1, 0)[:count], weight), rows[count:]])


def from_normal(q: Posterior) -> Tensor:
    """The divergence of posteriors from N(0, I) in nats (N,)."""
    mean, log_std = as_float32(q.mean), as_float32(q.log_std)
    return ((mean.square() + (2 * log_std).exp() - 1) / 2 - log_std).flatten(1).sum(1)


def guided(terms: Sequence[Term], guidance: float) -> list[Term]:
    """A product whose weights sum to 1: to the power of 1 + guidance, and as far away from what is said of no text.

    0 is the product itself; above it codes are likelier of their text and less varied.
    """
    strengthened = [Term((1 + guidance) * weight, condition) for weight, condition in terms]
    rest = 1 - sum(weight for weight, _ in strengthened)
    return strengthened if abs(rest) < 1e-6 else [*strengthened, Term(rest, None)]


def dequantised(x: Tensor) -> Tensor:
    """Pictures of 256 levels, 0..1, with uniform noise within a level."""
    if x.device.type == "meta":
        return x
    return (x * (PIXEL_LEVELS - 1) + torch.rand_like(x)) / PIXEL_LEVELS


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
