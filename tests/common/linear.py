"""A made-up plugin with the smallest latent models there are: linear ones, over continuous codes and over words."""

from __future__ import annotations

PLUGIN = '''
from zoo import ModelKind, PriorKind, Spec, hookimpl

class Options(Spec):
    size: int = 8
    """Numbers in a code."""
    broken: bool = False
    """Whether decoding fails."""

def build(spec, info):
    import math
    import torch
    from zoo import CodeInfo
    from zoo.models import LatentModel
    from zoo.models import Posterior

    class Linear(LatentModel):
        def __init__(self):
            super().__init__()
            self.code = CodeInfo((spec.size,))
            self.into = torch.nn.Linear(math.prod(info.shape), spec.size)
            self.back = torch.nn.Linear(spec.size, math.prod(info.shape))

        def encode(self, x):
            mean = self.into(x.flatten(1))
            return Posterior(mean, torch.full_like(mean, -2.0))

        def decode(self, code):
            if spec.broken:
                raise RuntimeError("no way back")
            return self.back(code).reshape(-1, *info.shape)

        def distortion(self, x, decoded):
            return 50 * (x - decoded).square().flatten(1).sum(1)

    return Linear()

def words(spec, info):
    import torch
    from zoo import CodeInfo
    from zoo.models import LatentModel

    class Words(LatentModel):
        def __init__(self):
            super().__init__()
            self.code = CodeInfo((4,), 16)
            self.shades = torch.nn.Parameter(torch.linspace(0, 1, 16))

        def encode(self, x):
            quarters = torch.stack([part.flatten(1).mean(1) for part in x.chunk(4, 2)], 1)
            return (quarters[..., None] - self.shades).abs().argmin(-1)

        def decode(self, code):
            rows = info.shape[1] // 4
            shown = self.shades[code].repeat_interleave(rows, 1)
            return shown[:, None, :, None].expand(-1, *info.shape)

        def distortion(self, x, decoded):
            return 50 * (x - decoded).square().flatten(1).sum(1)

    return Words()

def by_class(spec, code):
    import torch
    from zoo.models import Prior, VectorPrior

    class Table(Prior):
        conditional = True

        def __init__(self):
            super().__init__(code)
            self.logits = torch.nn.Parameter(torch.zeros(10, code.words))

        def log_prob(self, words, condition=None):
            return (condition @ self.logits).log_softmax(-1).gather(1, words).sum(1)

        def sample(self, n, condition=None, temperature=1.0):
            shares = (condition @ self.logits / temperature).softmax(-1)
            return torch.multinomial(shares, code.size, replacement=True)

    return Table()

@hookimpl
def zoo_models():
    yield ModelKind("linear", Options, build, prior="normal")
    yield ModelKind("shades", Options, words, prior="by-class")

@hookimpl
def zoo_priors():
    yield PriorKind("by-class", Spec, by_class)
'''
REGISTRY = """version: 1
entries:
  linear:
    data: {kind: digits, limit: 200}
    model: {kind: linear}
    train: {epochs: 2, batch: 20, lr: 0.01}
  shades:
    data: {kind: digits, limit: 200}
    model: {kind: shades}
    train: {epochs: 1, batch: 50}
"""
