"""The protocols that a plugin implements (model, prior, text encoder, judge), and sampling from them."""

from __future__ import annotations

from zoo.core.types import Batch, Losses
from zoo.models.base import MIN_STD, Classifier, Encoding, Model, Stage, wants_pretrained, why_not_compiled
from zoo.models.gallery import EditedImages, Gallery, JudgedImages, MixedImages, Sweep
from zoo.models.generator import Generator, apply_guidance
from zoo.models.invertible import Invertible
from zoo.models.judge import Features, Judge, JudgeOutput, extract_features
from zoo.models.latent import MAX_PSNR, PIXEL_LEVELS, LatentModel, dequantise, fixed_seed
from zoo.models.metrics import EVAL_BATCH
from zoo.models.precision import as_float32, no_autocast
from zoo.models.prior import KL, Encode, Exactness, Posterior, Prior, Term, VectorPrior, single_term
from zoo.models.text import ClassNames, TextEncoder, unknown_word_hint

__all__ = [
    "EVAL_BATCH",
    "KL",
    "MAX_PSNR",
    "MIN_STD",
    "PIXEL_LEVELS",
    "Batch",
    "ClassNames",
    "Classifier",
    "EditedImages",
    "Encode",
    "Encoding",
    "Exactness",
    "Features",
    "Gallery",
    "Generator",
    "Invertible",
    "Judge",
    "JudgeOutput",
    "JudgedImages",
    "LatentModel",
    "Losses",
    "MixedImages",
    "Model",
    "Posterior",
    "Prior",
    "Stage",
    "Sweep",
    "Term",
    "TextEncoder",
    "VectorPrior",
    "apply_guidance",
    "as_float32",
    "dequantise",
    "extract_features",
    "fixed_seed",
    "no_autocast",
    "single_term",
    "unknown_word_hint",
    "wants_pretrained",
    "why_not_compiled",
]
