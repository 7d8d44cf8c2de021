"""A made-up plugin whose pictures, generator and judge are known exactly: each class lights a band of rows."""

from __future__ import annotations

PLUGIN = '''
from typing import Literal
from zoo import DataInfo, DataKind, DataSpec, JudgeKind, ModelKind, PriorKind, Spec, hookimpl

CLASSES = ("low", "middle", "high")

class Hearing(Spec):
    how: Literal["well", "deaf", "swapped", "winner"] = "well"
    """What the prior makes of a condition."""

def load(spec):
    import torch
    from zoo.data import Loaded, Pictures
    chance = torch.Generator().manual_seed(0)
    def some(count):
        y = torch.arange(count) % 3
        light = 51 + torch.nn.functional.one_hot(y, 3) * torch.randint(102, 154, (count, 1), generator=chance)
        rows = light.repeat_interleave(2, 1).to(torch.uint8)
        return Pictures.of(rows[:, :, None, None].expand(-1, -1, 6, 1).contiguous(), y)
    return Loaded(some(90), CLASSES, some(60), some(30))

def codec(spec, info):
    import torch
    from zoo import CodeInfo
    from zoo.models import LatentModel
    from zoo.models import Posterior

    class Bands(LatentModel):
        def __init__(self):
            super().__init__()
            self.code = CodeInfo((3,), condition=3)
            self.shift = torch.nn.Parameter(torch.zeros(()))

        def encode(self, x):
            mean = x.unflatten(2, (3, 2)).mean((1, 3, 4)) - self.shift
            return Posterior(mean, torch.full_like(mean, -4.0))

        def decode(self, code):
            return (code + self.shift).repeat_interleave(2, 1)[:, None, :, None].expand(-1, 1, 6, 6)

        def distortion(self, x, decoded):
            return 50 * (x - decoded).square().flatten(1).sum(1)

    return Bands()

def prior(spec, code):
    import torch
    from zoo.models import Invertible

    class Lights(Invertible):
        conditional = True

        def __init__(self):
            super().__init__(code)
            self.width = torch.nn.Parameter(torch.tensor(0.02))

        def middle(self, condition, like):
            if condition is None:
                return torch.full_like(like, 0.2 + 0.5 / 3)
            ways = {
                "well": condition,
                "deaf": torch.full_like(condition, 1 / 3),
                "swapped": condition[:, [1, 0, 2]],
                "winner": torch.nn.functional.one_hot(condition.argmax(1), 3),
            }
            return 0.2 + 0.5 * ways[spec.how]

        def to_base(self, code, condition=None):
            z = self.vectors(code)
            return (z - self.middle(condition, z)) / self.width, -3 * self.width.log().expand(len(z))

        def from_base(self, u, terms):
            return sum(term.weight * self.middle(term.condition, u) for term in terms) + self.width * u

    return Lights()

def judge(spec, info):
    from zoo.models import Judge, JudgeOutput

    class Looks(Judge):
        def forward(self, x):
            light = x.unflatten(2, (3, 2)).mean((1, 3, 4))
            return JudgeOutput(light, (20 * light).log_softmax(1))

    return Looks()

def corner(spec, info):
    from zoo.models import Judge, JudgeOutput

    class Corner(Judge):
        def forward(self, x):
            return JudgeOutput(x[:, 0, :2, :2].flatten(1), None)

    return Corner()

@hookimpl
def zoo_data():
    yield DataKind("bands", DataSpec, load, lambda spec: DataInfo.of((1, 6, 6), CLASSES))

@hookimpl
def zoo_models():
    yield ModelKind("bands", Spec, codec, prior="lights")

@hookimpl
def zoo_priors():
    yield PriorKind("lights", Hearing, prior)

@hookimpl
def zoo_judges():
    yield JudgeKind("bands", Spec, judge)
    yield JudgeKind("corner", Spec, corner, "knows no class")
'''
REGISTRY = """version: 1
entries:
  bands:
    data: {kind: bands}
    model: {kind: bands}
    train: {epochs: 1, batch: 30, lr: 1.0e-6}
"""
