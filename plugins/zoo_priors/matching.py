"""A continuous normalizing flow trained by flow matching (Lipman et al. 2022, arXiv:2210.02747)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from zoo import CodeInfo, ZooError
from zoo.models import MIN_STD, Exactness, Invertible, Posterior, Term, no_autocast, single_term
from zoo_priors.heun import (
    Velocity,
    estimate_log_determinants,
    invert_step,
    log_determinants,
    random_signs,
    solve,
    velocity_and_trace,
)
from zoo_priors.spec import DEFAULT_STEPS, FlowSpec
from zoo_priors.velocity import MapVelocity, VectorVelocity, build_velocity

EXACT_SIZE = 16
"""Largest code whose log-determinants are exact; others are estimated."""
DRAWS = 4
"""Noises and times for each vector code of a training step; the codec costs far more than they do."""
MIN_RATE = 0.005
"""Least weight of a batch in the running mean and square of the codes."""


class Matching(Invertible):
    """A flow whose velocity moves noise at time 0 to codes at time 1, on nearly straight paths.

    It is trained on the velocity of straight lines between noise and codes, which needs no solver (Lipman et al. 2022,
    arXiv:2210.02747; Liu et al. 2022, arXiv:2209.03003). Sampling solves the equation by Heun's method in `steps`
    steps, each an invertible map; encoding inverts these very steps. Codes are standardised by their running mean and
    deviation. The velocity starts as that between two standard normal distributions, to which the network adds.

    Log-densities carry no gradient.
    """

    conditional = True
    multiplies = True
    matching = True
    centre: Tensor
    square: Tensor
    seen: Tensor

    def __init__(self, spec: FlowSpec, code: CodeInfo) -> None:
        super().__init__(code)
        self.spec, self.joint, self.mixup = spec, spec.joint, spec.mixup
        self.exact = code.size <= EXACT_SIZE
        self.net = build_velocity(spec, code)
        if spec.width % spec.heads and not isinstance(self.net, VectorVelocity):
            text = f"prior.width={spec.width} is not a multiple of prior.heads={spec.heads}, as maps need"
            raise ZooError(text, "change one of them")
        self.conditions = nn.Linear(code.condition // code.tokens, spec.context, bias=False)
        nn.init.normal_(self.conditions.weight)
        channels = code.shape[0]
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("square", torch.ones(channels))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @property
    def steps(self) -> int:
        """Number of steps from noise to codes."""
        return self.spec.steps or DEFAULT_STEPS

    @property
    def draws(self) -> int:
        """Number of noises and times for each code of a training step."""
        return self.spec.draws or (DRAWS if isinstance(self.net, VectorVelocity) else 1)

    def matching_loss(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        with no_autocast(code.device):
            z = self.vectors(code.detach())
            if self.training:
                self.update_statistics(z)
            x, context = self.standardise(z), self.context(z, condition)
            if self.training:
                context = context * (torch.rand(x.shape[0], 1, device=x.device) >= self.spec.label_dropout)
            x, context = x.repeat(self.draws, 1), context.repeat(self.draws, 1)
            noise, t = torch.randn_like(x), self.times(x)
            between, straight = torch.lerp(noise, x, t), x - noise
        # the network alone may run in lower precision, and only here
        found = self.velocity(between, t, context)
        return (found - straight).square().sum(1).view(self.draws, -1).mean(0) / 2

    def parts_to_compile(self) -> list[nn.Module]:
        return list(self.net.blocks) if isinstance(self.net, MapVelocity) else []

    def times(self, x: Tensor) -> Tensor:
        """Sample a time (N, 1) for each row, evenly spread over the batch (as Kingma et al. 2021, arXiv:2107.00630).

        The order is random, since the first rows of a batch may be special: those that `mixup` mixes.

        Logit-normal times favour the middle, where the velocity is hardest (Esser et al. 2024, arXiv:2403.03206).
        """
        n = x.shape[0]
        share = (torch.randperm(n, device=x.device).unsqueeze(1) + torch.rand(n, 1, device=x.device)) / n
        if self.spec.times == "uniform":
            return share
        # the normal quantile by erfinv, since MPS has no torch.special.ndtri
        return (math.sqrt(2) * torch.erfinv(2 * share.clamp(1e-6, 1 - 1e-6) - 1)).sigmoid()

    @torch.no_grad()
    def update_statistics(self, z: Tensor) -> None:
        """Update the running mean and square of each channel by those of vectors (N, D)."""
        values = z.reshape(z.shape[0], len(self.centre), -1).to(self.centre)
        rate = (1 / (self.seen + 1)).clamp(min=MIN_RATE).to(values)
        self.centre.lerp_(values.mean((0, 2)), rate)
        self.square.lerp_(values.square().mean((0, 2)), rate)
        self.seen.add_(1)

    def mean_and_std(self) -> tuple[Tensor, Tensor]:
        """Return the running mean and standard deviation (D,) of the codes."""
        std = (self.square - self.centre.square()).clamp(min=MIN_STD**2).sqrt()
        repeats = self.code.size // len(self.centre)
        return self.centre.repeat_interleave(repeats), std.repeat_interleave(repeats)

    def standardise(self, z: Tensor) -> Tensor:
        """Standardise vectors (N, D)."""
        mean, std = self.mean_and_std()
        return (z - mean) / std

    def velocity(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """Compute the velocity (N, D) of vectors at times (N, 1).

        Between two independent standard normal distributions it is x (2 t - 1) / s^2, where s is the deviation at t;
        the network's inputs and outputs are scaled as its remainder is.
        """
        variance = t.square() + (1 - t).square()
        std = variance.sqrt()
        return x * (2 * t - 1) / variance + cast(Tensor, self.net(x / std, t, context)) / std

    def field(self, terms: Sequence[Term], like: Tensor) -> Velocity:
        """Return the velocity of a product of densities: the weighted sum of theirs (arXiv:2206.01714)."""
        contexts = torch.stack([self.context(like, term.condition) for term in terms])
        weights = like.new_tensor([term.weight for term in terms]).view(-1, 1, 1)

        def velocity(x: Tensor, t: float, rows: Tensor | None = None) -> Tensor:
            given = contexts if rows is None else contexts[:, rows]
            times = x.new_full((1, 1), t).expand(len(terms) * x.shape[0], 1)
            found = self.velocity(x.repeat(len(terms), 1), times, given.flatten(0, 1))
            return (weights * found.reshape(len(terms), *x.shape)).sum(0)

        return velocity

    def context(self, like: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the context (N, context) of a condition, 0 for none; of tokens, that of their mean.

        A network that attends to tokens gets them behind it, (N, context + condition).
        """
        if condition is None:
            condition = like.new_zeros(like.shape[0], self.code.condition)
        condition = condition.to(like)
        if self.code.tokens == 1:
            return cast(Tensor, self.conditions(condition))
        found = self.conditions(mean_token(condition.view(len(condition), self.code.tokens, -1)))
        return torch.cat([found, condition], 1) if isinstance(self.net, MapVelocity) else found

    def from_base(self, u: Tensor, terms: Sequence[Term]) -> Tensor:
        mean, std = self.mean_and_std()
        z = mean + std * solve(self.field(terms, u), u, self.steps)
        return z.reshape(z.shape[0], *self.code.shape)

    def base(self, code: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.encode(code, condition, determinants=False)[0]

    def to_base(self, code: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.encode(code, condition, determinants=True)

    @torch.no_grad()
    def encode(self, code: Tensor, condition: Tensor | None, determinants: bool) -> tuple[Tensor, Tensor]:
        """Invert the steps of sampling; their log-determinants (N,) are 0 unless asked for."""
        u, velocity, total = self.start(code, condition)
        measure = log_determinants if self.exact else estimate_log_determinants
        for index in reversed(range(self.steps)):
            t, h = index / self.steps, 1 / self.steps
            u = invert_step(velocity, u, t, h)
            if determinants:
                total = total - measure(velocity, u, t, h)
        return u, total

    def start(self, code: Tensor, condition: Tensor | None) -> tuple[Tensor, Velocity, Tensor]:
        """Standardise codes; return them, the velocity, and the log-determinants (N,) of standardising."""
        # Evaluation runs in inference mode, whose tensors cannot be differentiated; a copy made outside can.
        with torch.inference_mode(False):
            z = self.vectors(code).clone()
            given = None if condition is None else condition.clone()
            total = -self.mean_and_std()[1].log().sum().expand(z.shape[0])
            return self.standardise(z), self.field(single_term(given), z), total

    @torch.no_grad()
    def cross_entropy(self, q: Posterior, condition: Tensor | None) -> tuple[Tensor, Exactness]:
        # The equation is solved backwards instead of inverting its steps, which costs a fraction and differs by an
        # error of second order.
        u, velocity, total = self.start(q.sample(), condition)
        signs, h = random_signs(u), 1 / self.steps
        for index in reversed(range(self.steps)):
            t = index * h
            late, trace = velocity_and_trace(velocity, u, t + h, signs)
            early, before = velocity_and_trace(velocity, u - h * late, t, signs)
            u, total = u - h / 2 * (late + early), total - h / 2 * (trace + before)
        return u.square().sum(1) / 2 + self.code.size / 2 * math.log(2 * math.pi) - total, "monte carlo"


def mean_token(tokens: Tensor) -> Tensor:
    """Average the tokens (N, L, size) that are not zeros, and normalise the mean (N, size); zeros if all are."""
    used = tokens.detach().abs().amax(2).gt(0).sum(1, keepdim=True).clamp(min=1)
    return nn.functional.layer_norm(tokens.sum(1) / used, tokens.shape[2:])
