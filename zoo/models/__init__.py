"""The protocols that a plugin implements (model, prior, text encoder, judge), and sampling from them."""

from __future__ import annotations

from zoo.core.types import Batch, Losses
from zoo.models.base import FLATTEST, Classifier, Model, Stage, wants_pretrained, why_not_compiled
from zoo.models.features import Features, features
from zoo.models.gallery import Edited, Gallery, Mixed, Seen, Sweep
from zoo.models.judge import Judge, Look
from zoo.models.latent import LEVELS, Generator, LatentModel, dequantised, fixed_draws
from zoo.models.metrics import SIZE
from zoo.models.prior import KL, Encode, Exactness, Invertible, Posterior, Prior, Term, VectorPrior, one, precise, wide
from zoo.models.text import Classes, TextEncoder, knows

__all__ = [
    "FLATTEST",
    "KL",
    "LEVELS",
    "SIZE",
    "Batch",
    "Classes",
    "Classifier",
    "Edited",
    "Encode",
    "Exactness",
    "Features",
    "Gallery",
    "Generator",
    "Invertible",
    "Judge",
    "LatentModel",
    "Look",
    "Losses",
    "Mixed",
    "Model",
    "Posterior",
    "Prior",
    "Seen",
    "Stage",
    "Sweep",
    "Term",
    "TextEncoder",
    "VectorPrior",
    "dequantised",
    "features",
    "fixed_draws",
    "knows",
    "one",
    "precise",
    "wants_pretrained",
    "why_not_compiled",
    "wide",
]
