"""A generator: a codec, a prior over its codes, and a text encoder for the prior's conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.core.types import Batch, DataInfo, Losses
from zoo.models.base import Classifier, Encoding, Model, Stage, why_not_compiled
from zoo.models.latent import PIXEL_LEVELS, LatentModel, dequantise, fixed_seed
from zoo.models.precision import as_float32
from zoo.models.prior import Posterior, Prior, Term, single_term
from zoo.models.text import ClassNames, TextEncoder

B = TypeVar("B", float, Tensor)
MATCHING_STRIDE = 32
"""Stride of validation for priors trained by matching, since the likelihood of a picture costs twenty of its steps."""


class Generator(Model):
    """A latent model and a prior over its codes: it reconstructs, samples and bounds likelihoods.

    With continuous codes, both are trained together on the evidence lower bound (Kingma & Welling 2013,
    arXiv:1312.6114); with code words, the prior is trained after the codec (van den Oord et al. 2017,
    arXiv:1711.00937).

    Args:
        codec: The latent model.
        prior: The prior over its codes.
        info: Shape, classes and statistics of the pictures.
        text: The text encoder; by default the classes as one-hot vectors.

    Example:
        >>> import torch
        >>> from zoo import CodeInfo, DataInfo
        >>> from zoo.models import Generator, LatentModel, Posterior, VectorPrior
        >>> class Pixels(LatentModel):
        ...     code = CodeInfo((16,))
        ...     def encode(self, x):
        ...         return Posterior(x.flatten(1), torch.full((len(x), 16), -2.0))
        ...     def decode(self, code):
        ...         return code.view(-1, 1, 4, 4)
        ...     def distortion(self, x, decoded):
        ...         return (x - decoded).square().flatten(1).sum(1)
        >>> class Normal(VectorPrior):
        ...     def log_density(self, z, condition):
        ...         return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        ...     def draw(self, n, condition, temperature):
        ...         return temperature * torch.randn(n, self.code.size)
        >>> model = Generator(Pixels(), Normal(CodeInfo((16,))), DataInfo.of((1, 4, 4), ("cat", "dog")))
        >>> tuple(model.sample(5).shape)
        (5, 1, 4, 4)
    """

    def __init__(self, codec: LatentModel, prior: Prior, info: DataInfo, text: TextEncoder | None = None) -> None:
        super().__init__()
        self.codec, self.prior, self.info = codec, prior, info
        self.text = text or ClassNames(info)
        prior.attach(self.posterior, info)

    def posterior(self, x: Tensor) -> Posterior:
        """Compute the posterior over the continuous codes of pictures.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Mean and log standard deviation (N, *shape).
        """
        found = self.codec.encode(x)
        assert isinstance(found, Posterior)
        return found

    @property
    def validation_stride(self) -> int:
        """Stride of validation during training, above 1 where equations are solved.

        Evaluations use all pictures.
        """
        return MATCHING_STRIDE if self.prior.matching else 1

    @property
    def teacher(self) -> str:
        """The registry entry of the classifier that the codec learns from; empty for none."""
        return self.codec.teacher

    def learn_from(self, teacher: Classifier) -> None:
        """Give the trained teacher to the codec.

        Args:
            teacher: The classifier, in eval mode on the device.
        """
        self.codec.learn_from(teacher)

    def stages(self) -> list[Stage]:
        """List the stages of a training: one for everything, or the codec before the prior.

        Returns:
            One stage if codes are continuous and the prior is trained jointly with the codec, otherwise two.
        """
        if self.codec.code.words is None and self.prior.joint:
            return [Stage("model", self, self.losses)]
        prior = nn.ModuleList([self.prior, self.text])
        # A mixed picture is another one in each epoch, and so is its code.
        encoding = None if self.prior.mixup else Encoding(self.pack_codes, self.packed_losses)
        return [Stage("codec", self.codec, self.codec_losses), Stage("prior", prior, self.prior_losses, encoding)]

    def losses(self, batch: Batch) -> Losses:
        """Compute distortion, rate and further losses of the codec.

        Args:
            batch: Pictures and labels.

        Returns:
            The scalar `distortion` in nats per dimension of the picture, those of `rates`, and whatever the codec adds.
        """
        batch, condition = self.prepare_batch(batch)
        posterior, decoded, further = self.codec.learn(batch)
        assert isinstance(posterior, Posterior)
        rates = self.rates(posterior, condition)
        distortion = self.codec.distortion(batch.x, decoded).mean()
        return {"distortion": distortion / self.size, **rates, **further}

    def rates(self, posterior: Posterior, condition: Tensor | None) -> Losses:
        """Compute the losses of codes, to train codec and prior together.

        Args:
            posterior: Posteriors over the codes of N pictures.
            condition: Conditions (N, K), or None.

        Returns:
            The scalar `rate` in nats per dimension of the picture; for a prior that is trained by matching
            `normal_rate`, that under N(0, I), and `matching`.
        """
        if not self.prior.matching:
            return {"rate": self.codec.rate(self.prior.kl(posterior, condition).value.mean()) / self.size}
        rate = self.codec.rate(kl_from_standard_normal(posterior).mean())
        matching = self.prior.matching_loss(posterior.sample().detach(), condition).mean()
        return {"normal_rate": rate / self.size, "matching": matching / self.size}

    def codec_losses(self, batch: Batch) -> Losses:
        """Compute the losses of a codec that is trained before its prior.

        For continuous codes the rate is that under N(0, I), so that codes stay near 0 for the prior trained later.

        Args:
            batch: Pictures and labels.

        Returns:
            The scalar `distortion` in nats per dimension of the picture, whatever the codec adds, and for continuous
            codes `rate`.
        """
        batch, _ = self.prepare_batch(batch)
        found, decoded, further = self.codec.learn(batch)
        losses = {"distortion": self.codec.distortion(batch.x, decoded).mean() / self.size, **further}
        if isinstance(found, Posterior):
            losses["rate"] = self.codec.rate(kl_from_standard_normal(found).mean()) / self.size
        return losses

    def prior_losses(self, batch: Batch) -> Losses:
        """Compute the loss of a prior that is trained after its codec.

        Args:
            batch: Pictures and labels.

        Returns:
            The scalar `rate`, the cross-entropy of codes under the prior in nats per dimension of the picture, or
            `matching` for a prior that is trained by matching.
        """
        batch, condition = self.prepare_batch(batch)
        with torch.no_grad():
            found = self.codec.encode(batch.x)
            code = found.sample() if isinstance(found, Posterior) else found
        return self.code_losses(code, condition)

    def code_losses(self, code: Tensor, condition: Tensor | None) -> Losses:
        """Compute the losses of the prior for codes (N, *shape) and their conditions."""
        if self.prior.matching:
            return {"matching": self.prior.matching_loss(code, condition).mean() / self.size}
        return {"rate": -self.prior.log_prob(code, condition).mean() / self.size}

    def pack_codes(self, x: Tensor) -> Tensor:
        """Encode pictures as one tensor, which does not depend on random numbers.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Mean and log standard deviation of the posterior (N, 2, *shape), or code words int64 (N, *shape).
        """
        found = self.codec.encode((x * (PIXEL_LEVELS - 1) + 0.5) / PIXEL_LEVELS)
        return torch.stack([as_float32(part) for part in found], 1) if isinstance(found, Posterior) else found

    def packed_losses(self, batch: Batch) -> Losses:
        """Compute the losses of the prior for packed codes.

        Args:
            batch: What `pack_codes` returned for pictures, and their labels.

        Returns:
            The scalars of `prior_losses`.
        """
        code = batch.x if self.codec.code.words else Posterior(*batch.x.unbind(1)).sample()
        return self.code_losses(code, self.batch_condition(batch))

    def prepare_batch(self, batch: Batch) -> tuple[Batch, Tensor | None]:
        """Prepare a batch for training: dequantise the pictures, mix some, and encode labels or captions.

        Args:
            batch: Pictures and labels.

        Returns:
            The batch with changed pictures, and their conditions (N, K), or None for a prior that takes none.
        """
        x, condition = dequantise(batch.x), self.batch_condition(batch)
        if condition is not None and (count := round(self.prior.mixup * len(x))):
            shares = torch.rand(count, device=x.device)
            x, condition = interpolate_rows(x, shares), interpolate_rows(condition, shares)
        return batch._replace(x=x), condition

    def accelerate(self, autocast: torch.dtype | None) -> str:
        """Compile the parts of the codec and those that the prior names.

        They are compiled in place, those of the codec except on a CPU. Nothing is compiled if no compiler works.

        Args:
            autocast: The type to which operations are autocast; None for float32.

        Returns:
            A note of what runs, such as "torch.compile of the prior", "eager" or "eager (reason)".
        """
        device = next(self.parameters()).device.type
        # On a CPU convolutions take nearly all the time of a codec, and compiled code calls the same library for them.
        codec = [] if device == "cpu" else list(self.codec.children())
        compiled = {"the codec": codec, "the prior": self.prior.parts_to_compile()}
        names = [name for name, parts in compiled.items() if parts]
        if not names:
            return "eager"
        if reason := why_not_compiled(device):
            return f"eager ({reason})"
        for part in chain(*compiled.values()):
            part.compile(dynamic=False)
        return f"torch.compile of {' and '.join(names)}"

    def metrics(self, batch: Batch) -> Losses:
        """Compute the bound on the negative log-likelihood, independent of the training objective.

        The random draws are the same each time. Dequantisation is that of Theis et al. 2015, arXiv:1511.01844.

        Args:
            batch: Pictures and labels.

        Returns:
            Scalars: `bound` = `distortion` + `rate` in nats per picture; `loss`, the bound in bits per dimension for
            256 levels; `mse`, the mean squared error of reconstructions.
        """
        with fixed_seed(batch.x.device):
            x = dequantise(batch.x)
            distortion, rate = (part.mean() for part in self.bound(x, self.batch_condition(batch)))
            decoded = self.reconstruct(batch.x)
        bound = distortion + rate
        mse = F.mse_loss(decoded.float().clamp(0, 1), batch.x)
        return {
            "loss": bits_per_dimension(bound, self.size),
            "bound": bound,
            "distortion": distortion,
            "rate": rate,
            "mse": mse,
        }

    def comparable_losses(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Convert training losses to the units of `metrics`.

        Args:
            losses: The mean of each loss of a stage over the epoch.

        Returns:
            `loss` in bits per dimension of a stage that trains codec and prior, else the part of the bound that the
            stage trains, `distortion` or `rate`, in nats per picture.
        """
        parts = {name: losses[name] * self.size for name in ("distortion", "rate") if name in losses}
        return {"loss": bits_per_dimension(sum(parts.values()), self.size)} if len(parts) == 2 else parts

    def bound(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Estimate distortion and rate of pictures from one draw of their codes.

        Args:
            x: Dequantised pictures (N, C, H, W).
            condition: Conditions (N, K), or None.

        Returns:
            Distortion and rate in nats, (N,) each.
        """
        found = self.codec.encode(x)
        if isinstance(found, Posterior):
            decoded = self.codec.decode(found.sample())
            return self.codec.distortion(x, decoded), self.prior.kl(found, condition).value
        return self.codec.distortion(x, self.codec.decode(found)), -self.prior.log_prob(found, condition)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Encode pictures and decode their most likely codes.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Pictures (N, C, H, W).
        """
        return self.codec.decode(self.codes(x))

    def codes(self, x: Tensor) -> Tensor:
        """Compute the most likely codes of pictures.

        Args:
            x: Pictures (N, C, H, W) with values 0..1.

        Returns:
            Means of the posterior or code words, (N, *shape).
        """
        found = self.codec.encode(x)
        return found.mean if isinstance(found, Posterior) else found

    def sample(self, n: int, y: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Sample pictures with torch's random number generator.

        Args:
            n: The number of pictures.
            y: Their classes int64 (n,); None for no class.
            temperature: Below 1, samples are likelier and less varied.

        Returns:
            Pictures (n, C, H, W) with values 0..1.
        """
        return self.blend(n, single_term(None if y is None else self.condition(y)), temperature)

    def blend(self, n: int, terms: Sequence[Term], temperature: float = 1.0) -> Tensor:
        """Sample pictures whose codes follow a product of the prior's conditional densities.

        Args:
            n: The number of pictures.
            terms: The densities and their exponents, which sum to 1.
            temperature: Below 1, samples are likelier and less varied.

        Returns:
            Pictures (n, C, H, W) with values 0..1.

        Raises:
            ZooError: If the prior cannot sample from a product.
        """
        return self.codec.decode(self.prior.blend(n, terms, temperature)).float().clamp(0, 1)

    def condition(self, y: Tensor) -> Tensor | None:
        """Encode labels as conditions of the prior.

        Args:
            y: Labels int64 (N,).

        Returns:
            Conditions float32 (N, K), or None for a prior that takes none.
        """
        return self.text.labels(y) if self.prior.conditional else None

    def batch_condition(self, batch: Batch) -> Tensor | None:
        """Encode the captions of a batch, or else its labels, as conditions of the prior.

        Args:
            batch: Pictures, labels, and the indices of their captions.

        Returns:
            Conditions float32 (N, K), zeros for a picture without a caption; None for a prior that takes none.
        """
        if not self.reads_captions:
            return self.condition(batch.y)
        if batch.texts is None or batch.texts.device.type == "meta":
            return torch.zeros(len(batch.y), self.text.size, device=batch.x.device)
        return self.text.by_index(batch.texts)

    @property
    def reads_captions(self) -> bool:
        """Whether the prior's conditions are captions of single pictures, rather than classes."""
        return bool(self.info.words) and self.text.takes_captions and self.prior.conditional

    def set_texts(self, texts: Sequence[str]) -> None:
        """Give the captions of pictures to the text encoder, if the prior takes them.

        Args:
            texts: All different captions.
        """
        if self.reads_captions:
            self.text.set_texts(texts)

    @property
    def multiplies_prompts(self) -> bool:
        """Whether prompts multiply their parts rather than add them, unless a rule is chosen.

        Conditions that are vectors of single words have a sum that says nothing.
        """
        return self.text.tokens > 1 and self.prior.multiplies

    @property
    def joins_prompts(self) -> bool:
        """Whether prompts join texts of equal weight by "and", unless a rule is chosen.

        So it is where conditions are vectors of single words, if captions of the training pictures have this one.
        """
        return self.text.tokens > 1 and "and" in self.info.words

    @property
    def size(self) -> int:
        """Number of dimensions of a picture: channels x height x width."""
        return math.prod(self.info.shape)


def bits_per_dimension(bound: B, size: int) -> B:
    """Convert a bound in nats per picture to bits for each of `size` dimensions with 256 levels."""
    return bound / (size * math.log(2)) + math.log2(PIXEL_LEVELS)


def interpolate_rows(rows: Tensor, shares: Tensor) -> Tensor:
    """Mix each of the first M of N rows (N, ...) with the row before it, whose weights are `shares` (M,)."""
    count = len(shares)
    weight = shares.to(rows.dtype).view(-1, *(1,) * (rows.ndim - 1))
    return torch.cat([torch.lerp(rows[:count], rows.roll(1, 0)[:count], weight), rows[count:]])


def kl_from_standard_normal(q: Posterior) -> Tensor:
    """Compute the divergence of posteriors from N(0, I) in nats (N,)."""
    mean, log_std = as_float32(q.mean), as_float32(q.log_std)
    return ((mean.square() + (2 * log_std).exp() - 1) / 2 - log_std).flatten(1).sum(1)


def apply_guidance(terms: Sequence[Term], guidance: float, negative: Tensor | None = None) -> list[Term]:
    """Apply classifier-free guidance: scale weights, and add a term so that they sum to 1.

    With `negative` conditions (N, K) that term has these, so that codes move away from them rather than from no text.
    A guidance of 0 leaves the product as it is; above 0, codes are closer to their text and less varied.
    """
    strengthened = [Term((1 + guidance) * weight, condition) for weight, condition in terms]
    rest = 1 - sum(weight for weight, _ in strengthened)
    return strengthened if abs(rest) < 1e-6 else [*strengthened, Term(rest, negative)]
