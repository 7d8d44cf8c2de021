"""The protocols that a plugin implements (model, prior, text encoder, judge), and sampling from them."""

from __future__ import annotations

from zoo.core.types import Batch, Losses
from zoo.models.base import MIN_STD, Classifier, Model, Stage, wants_pretrained, why_not_compiled
from zoo.models.gallery import Edited, Gallery, Mixed, Seen, Sweep
from zoo.models.generator import Generator
from zoo.models.judge import Features, Judge, Look, features
from zoo.models.latent import PIXEL_LEVELS, LatentModel, dequantised, fixed_draws
from zoo.models.metrics import EVAL_BATCH
from zoo.models.precision import as_float32, no_autocast
from zoo.models.prior import KL, Encode, Exactness, Invertible, Posterior, Prior, Term, VectorPrior, single_term
from zoo.models.text import Classes, TextEncoder, unknown_word_hint

__all__ = [
    "EVAL_BATCH",
    "KL",
    "MIN_STD",
    "PIXEL_LEVELS",
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
    "as_float32",
    "dequantised",
    "features",
    "fixed_draws",
    "no_autocast",
    "single_term",
    "unknown_word_hint",
    "wants_pretrained",
    "why_not_compiled",
]
