from typing import Annotated

from zoo import CodeInfo, ModelKind, Range, Spec, hookimpl

ZOO_API = 1


class SketchSpec(Spec):
    """A variational autoencoder with one hidden layer each way."""

    latent: Annotated[int, Range(8, 32, log=True)] = 16
    """Size of a code; the hidden layers have 16 times as many units."""


def build(spec, info):
    import torch
    from torch import nn

    from zoo.models import LatentModel, Posterior

    class Sketch(LatentModel):
        code = CodeInfo((spec.latent,))

        def __init__(self):
            super().__init__()
            pixels, hidden = torch.Size(info.shape).numel(), 16 * spec.latent
            self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU(), nn.Linear(hidden, 2 * spec.latent))
            self.decoder = nn.Sequential(nn.Linear(spec.latent, hidden), nn.SiLU(), nn.Linear(hidden, pixels))

        def encode(self, x):
            return Posterior(*self.encoder(x.flatten(1)).chunk(2, 1))

        def decode(self, code):
            return self.decoder(code).sigmoid().view(-1, *info.shape)

        def distortion(self, x, decoded):
            return -torch.distributions.Normal(decoded, 0.1).log_prob(x).flatten(1).sum(1)

    return Sketch()


@hookimpl
def zoo_models():
    yield ModelKind("sketch", SketchSpec, build, "a small variational autoencoder", prior="flow")
