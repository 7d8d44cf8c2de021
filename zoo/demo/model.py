"""The model of a demo: it classifies, samples and edits, one request at a time."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.any_pictures import picture_batches
from zoo.demo.requests import EditRequest, SampleRequest
from zoo.display.grid import Pixels, to_image, to_uint8
from zoo.display.html import png_data_url
from zoo.evaluation.explain import blend
from zoo.generation.edit import Change, apply_edit, edit_conditions
from zoo.models.base import Classifier, Model
from zoo.models.device import choose_device
from zoo.models.generator import Generator
from zoo.models.heat import heat_maps
from zoo.models.invertible import Invertible
from zoo.models.latent import fixed_seed
from zoo.models.prior import Term
from zoo.models.prompts import Part
from zoo.models.sampling import (
    SamplingOptions,
    combine_conditions,
    encode_parts,
    read_parts,
    sample_images,
    to_images,
)
from zoo.registry.blame import plugin_errors
from zoo.runs.inputs import run_recipe
from zoo.runs.run import Run

SHOWN_CLASSES = 10
MAX_NAMES = 1000
"""Most classes whose names the page suggests."""


class DemoModel:
    """A loaded model and its run."""

    def __init__(self, run: Run, device: str = "auto") -> None:
        self.run, self.device, self.lock = run, choose_device(device), Lock()
        self.recipe = run_recipe(run)
        self.model: Model = run.loaded(self.device)
        if not isinstance(self.model, Classifier | Generator):
            raise ZooError(f"{run.name} is neither a classifier nor a generator, so there is nothing to try")

    def about(self) -> dict[str, Any]:
        """Return what the page needs to know, as a JSON object."""
        channels, height, width = self.run.info.shape
        about: dict[str, Any] = {
            "name": self.run.name,
            "entry": self.run.entry.name,
            "data": self.run.entry.data.name,
            "shape": [channels, height, width],
            "classes": list(self.run.info.classes[:MAX_NAMES]),
            "classifies": isinstance(self.model, Classifier),
            "samples": isinstance(self.model, Generator),
        }
        if isinstance(self.model, Generator):
            prior = self.model.prior
            about |= {"prompts": prior.conditional, "multiplies": prior.multiplies}
            about |= {"edits": prior.conditional and isinstance(prior, Invertible)}
        return about

    def classify(self, picture: bytes) -> dict[str, Any]:
        """Return the most probable classes of an encoded picture, and what the model sees of it."""
        with self.lock:
            found = self.run(picture, device=str(self.device))[0]
            classes = [{"label": label, "probability": share} for label, share in found.top(SHOWN_CLASSES)]
            x = self.read(picture)
            best = found.probabilities.topk(1).indices
            return {"classes": classes, "seen": to_data_url(x[0]), "heat": self.heat(x, best)}

    def heat(self, x: Tensor, label: Tensor) -> str | None:
        """Return where the classifier sees a class in a picture; None for a model without maps."""
        assert isinstance(self.model, Classifier)
        with suppress(ZooError, RuntimeError):  # some layers have no gradients
            (heat,) = heat_maps(self.model, x.contiguous().to(self.device), label.to(self.device))
            return pixels_data_url(blend(to_uint8(x)[0], heat))
        return None

    def sample(self, request: SampleRequest) -> dict[str, Any]:
        """Return sampled pictures."""
        model = self.generator()
        options = SamplingOptions(request.seed, request.temperature, request.guidance, request.rule)
        options.check(model, self.run.name, self.run.prior_name)
        with self.lock, plugin_errors(self.run.entry.model, "sample from"), torch.inference_mode():
            terms = self.terms(model, request, options)
            with fixed_seed(self.device, request.seed):
                pictures = sample_images(model, terms, request.count, options)
        return {"pictures": [to_data_url(picture) for picture in pictures]}

    def terms(self, model: Generator, request: SampleRequest, options: SamplingOptions) -> list[Term]:
        """Return the conditions of a mixture, whose positive weights are scaled to a sum of 1."""
        parts = [part for part in request.parts if part.text.strip() and part.weight]
        if not model.prior.conditional:
            if parts:
                raise ZooError(f"{self.run.name} takes no prompts: its prior takes no text")
            return [Term(1.0, None)]
        total = sum(max(part.weight, 0.0) for part in parts)
        if not total:
            raise ZooError("nothing in the mixture has a weight above 0", "write a text and give it a weight")
        read = [(part.weight / total, each) for part in parts for each in read_parts(model, part.text)]
        terms = encode_parts(model, [Part(share * weight, text) for share, (weight, text) in read], options.rule)
        (group,) = combine_conditions([terms], [0] * request.count, options.rule_for(model))
        return group

    def edit(self, picture: bytes, request: EditRequest) -> dict[str, Any]:
        """Return an encoded picture as the model sees it, and its edited version."""
        model = self.generator()
        if not (model.prior.conditional and isinstance(model.prior, Invertible)):
            raise ZooError(f"{self.run.name} cannot edit pictures", "train a model such as vae-nf")
        change = Change(request.to, request.source.strip() or None, request.strength, request.guidance)
        change.check()
        with self.lock, plugin_errors(self.run.entry.model, "edit with"), torch.inference_mode():
            x = self.read(picture).to(self.device)
            start, goal = edit_conditions(model, change)
            edited = to_images(apply_edit(model, x, start, goal, change.guidance * change.strength))
        return {"original": to_data_url(x[0].cpu()), "edited": to_data_url(edited[0])}

    def generator(self) -> Generator:
        """Return the model; ZooError if it is no generator."""
        if isinstance(self.model, Generator):
            return self.model
        raise ZooError(f"{self.run.name} is a classifier, not a generator")

    def read(self, picture: bytes) -> Tensor:
        """Decode a picture to the model's shape, float32 (1, C, H, W); DataError if it is none."""
        ((_, x),) = picture_batches(picture, self.recipe, 1)
        return x


def to_data_url(picture: Tensor) -> str:
    """Return a URL that holds a picture (C, H, W) with values 0..1 as PNG."""
    return pixels_data_url(to_uint8(picture[None])[0])


def pixels_data_url(pixels: Pixels) -> str:
    """Return a URL that holds pixels uint8 (H, W, C) as PNG."""
    file = BytesIO()
    to_image(pixels).save(file, "PNG")
    return png_data_url(file.getvalue())
