"""The programs of a model that are exported: for a classifier one, for a generator encoder, decoder and sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.core.errors import ZooError, did_you_mean
from zoo.exporting.resizing import MAX_LEVEL, Resizing
from zoo.models.base import Classifier, Model
from zoo.models.generator import Generator
from zoo.models.prior import Posterior
from zoo.runs.run import Run

EXAMPLES = 2
"""Rows of the example inputs with which a program is traced; any number of rows works afterwards."""
PARTS = ("encoder", "decoder", "sampler")
"""The programs of a generator."""


@dataclass(frozen=True)
class Program:
    """A program to export: a module with names for its inputs and outputs."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    """Examples of the inputs by name."""
    outputs: tuple[str, ...]
    free: Mapping[str, tuple[int, ...]]
    """The axes of each input whose length may vary."""


class Classify(nn.Module):
    """Map uint8 pictures (N, H, W, C) to probabilities (N, K)."""

    def __init__(self, resizing: Resizing, model: Classifier) -> None:
        super().__init__()
        self.resizing, self.model = resizing, model

    def forward(self, pictures: Tensor) -> Tensor:
        return self.probabilities(self.resizing(pictures))

    def probabilities(self, x: Tensor) -> Tensor:
        """Compute the probabilities of pictures (N, C, H, W) of the model's own size with values 0..1."""
        scores: Tensor = self.model(x)
        return scores.float().softmax(1)


class Encode(nn.Module):
    """Map uint8 pictures (N, H, W, C) to the mean and log-deviation of their codes, or to code words."""

    def __init__(self, resizing: Resizing, model: Generator) -> None:
        super().__init__()
        self.resizing, self.codec = resizing, model.codec

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        return self.codes(self.resizing(pictures))

    def codes(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode pictures (N, C, H, W) of the model's own size with values 0..1."""
        found = self.codec.encode(x)
        return (found.mean.float(), found.log_std.float()) if isinstance(found, Posterior) else (found,)


class Decode(nn.Module):
    """Map codes (N, *shape) to pictures (N, H, W, C) with values 0..1."""

    def __init__(self, model: Generator) -> None:
        super().__init__()
        self.codec = model.codec

    def forward(self, code: Tensor) -> Tensor:
        return self.codec.decode(code).float().clamp(0, 1).permute(0, 2, 3, 1)


class Sample(nn.Module):
    """Map standard normal noise (N, D), and a condition (N, K) if the prior takes one, to a code and its picture."""

    def __init__(self, model: Generator) -> None:
        super().__init__()
        self.prior, self.text, self.decode = model.prior, model.text, Decode(model)

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        code = self.prior.from_noise(noise, condition)
        return code, self.decode(code)


def programs_of(model: Model, name: str, resizing: Resizing, channels: int, parts: Sequence[str] = ()) -> list[Program]:
    """List the programs of a model called `name`, of a generator only the `parts` if any; ZooError for other models."""
    model.prepare_export()
    pictures = torch.zeros(EXAMPLES, resizing.height + 3, resizing.width + 5, channels, dtype=torch.uint8)
    if isinstance(model, Classifier):
        if parts:
            raise ZooError(f"{name} is a classifier, which has no parts", "drop --part")
        inputs, free = {"pictures": pictures}, {"pictures": (0, 1, 2)}
        return [Program("model", Classify(resizing, model), inputs, ("probabilities",), free)]
    if not isinstance(model, Generator):
        raise ZooError(f"{name} is neither a classifier nor a generator, so there is nothing to export")
    make: dict[str, Callable[[], Program]] = {
        "encoder": lambda: encoder(resizing, model, pictures),
        "decoder": lambda: decoder(model),
        "sampler": lambda: sampler(model),
    }
    if unknown := [part for part in parts if part not in make]:
        raise ZooError(f"no part {unknown[0][:80]!r}", did_you_mean(unknown[0], PARTS))
    return [make[part]() for part in PARTS if part in (parts or PARTS)]


def programs_of_run(run: Run, model: Model, parts: Sequence[str] = ()) -> list[Program]:
    """List the programs of a run's model, which resize pictures as `zoo predict` does."""
    recipe = run.recipe
    return programs_of(model, run.name, Resizing(recipe.height, recipe.width, recipe.fit), recipe.channels, parts)


def encoder(resizing: Resizing, model: Generator, pictures: Tensor) -> Program:
    """Return the program of a generator's encoder."""
    outputs = ("mean", "log_std") if model.codec.code.words is None else ("words",)
    return Program("encoder", Encode(resizing, model), {"pictures": pictures}, outputs, {"pictures": (0, 1, 2)})


def decoder(model: Generator) -> Program:
    """Return the program of a generator's decoder."""
    code = model.codec.code
    kind = torch.float32 if code.words is None else torch.int64
    examples = torch.zeros(EXAMPLES, *code.shape, dtype=kind)
    return Program("decoder", Decode(model), {"code": examples}, ("pictures",), {"code": (0,)})


def sampler(model: Generator) -> Program:
    """Return the program that samples from a generator; ZooError if its prior cannot map noise to codes."""
    size = model.prior.noise_size
    if not size:
        raise ZooError(
            f"samples of the prior {type(model.prior).__name__} cannot be exported: it does not map noise to codes",
            "export the other parts, with --part encoder --part decoder",
        )
    inputs = {"noise": torch.zeros(EXAMPLES, size)}
    if model.prior.conditional:
        inputs["condition"] = torch.zeros(EXAMPLES, model.prior.code.condition)
    return Program("sampler", Sample(model), inputs, ("code", "pictures"), dict.fromkeys(inputs, (0,)))


def run_model(program: Program, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """Run the model itself on the inputs of its program, as the zoo does: pictures are of the right size already."""
    module, values = program.module, list(inputs.values())
    with torch.inference_mode():
        if isinstance(module, Classify | Encode):
            x = values[0].permute(0, 3, 1, 2).float() / MAX_LEVEL
            return [module.probabilities(x)] if isinstance(module, Classify) else list(module.codes(x))
        found: Any = module(*values)
    return [found] if isinstance(found, Tensor) else list(found)
