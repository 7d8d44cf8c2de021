"""The options of the kind `vae`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo import Choice, Range
from zoo_codecs.codecspec import CodecSpec


class VAESpec(CodecSpec):
    """A variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114) with a calibrated decoder."""

    latent: Annotated[int, Field(ge=1, le=4096), Range(8, 256, log=True)] = 64
    """Numbers of a code that is a vector, channels of one that is a map."""
    form: Annotated[Literal["vector", "map"], Choice("vector", "map")] = "vector"
    """vector: a code is one vector for the whole picture; map: it keeps height and width of the lowest resolution."""
    variance: Annotated[Literal["analytic", "learnt"], Choice("analytic", "learnt")] = "analytic"
    """The one variance of all numbers of a decoded picture (arXiv:2006.13202). analytic: the mean squared error of the
    batch, and when the model is used its average over the last training steps; learnt: a parameter."""
    objective: Literal["weighted", "elbo"] = "weighted"
    """elbo: training minimises the bound alone; weighted: beta, warmup, free_bits, perceptual, spectrum have a say."""
    beta: Annotated[float, Field(ge=0, le=100), Range(0.2, 5.0, log=True)] = 1.0
    """Weight of the rate (Higgins et al. 2017); below 1 codes tell more of the picture and follow the prior less."""
    warmup: Annotated[int, Field(ge=0), Range(0, 2000)] = 200
    """Training steps over which the weight of the rate rises from 0, so that codes are used at all."""
    free_bits: Annotated[float, Field(ge=0, le=10), Range(0.0, 0.3)] = 0.0
    """Nats a number of the code below which the mean rate of a batch is not pushed (as in arXiv:1606.04934)."""
