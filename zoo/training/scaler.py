"""Scale losses so that gradients in float16 do not vanish (Micikevicius et al. 2017, arXiv:1710.03740)."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from zoo.core.errors import JobError

FIRST_SCALE, SMALLEST_SCALE = 2.0**16, 2.0**-16
GROWTH_INTERVAL = 2000
"""Steps without an overflow after which the scale is doubled, as in torch.amp.GradScaler."""


class LossScaler:
    """The factor of the loss: halved after a step whose gradients overflow, doubled after many that do not.

    Unlike torch's GradScaler it never waits for the device: what a step does with an overflow is decided there.
    """

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), FIRST_SCALE, device=device)
        self.good = torch.zeros((), device=device)

    @torch.no_grad()
    def unscale(self, parameters: Collection[nn.Parameter]) -> Tensor:
        """Divide the gradients by the scale, update it, and return 1.0 if one of them is not finite, otherwise 0.0."""
        grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(grads, 1 / self.scale)
        overflow = ~torch.stack([norm.float() for norm in torch._foreach_norm(grads, float("inf"))]).isfinite().all()
        self.good = torch.where(overflow, 0.0, self.good + 1)
        grows = self.good >= GROWTH_INTERVAL
        self.scale = torch.where(overflow, self.scale / 2, torch.where(grows, self.scale * 2, self.scale))
        self.good = torch.where(grows, 0.0, self.good)
        return overflow.float()

    def check(self) -> None:
        """Raise JobError if gradients overflow at any scale, which waits for the device."""
        if self.scale.item() < SMALLEST_SCALE:
            raise JobError("the gradients do not fit float16", "set train.precision=float32, or lower train.lr")

    def state(self) -> dict[str, Tensor]:
        """Return the tensors to save."""
        return {"scale": self.scale, "good": self.good}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors that `state` returned."""
        device = self.scale.device
        self.scale, self.good = (state[name].to(device, copy=True) for name in ("scale", "good"))
