"""TrainSpec: the options of the trainer, the same for every model; no torch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from zoo.augmentspec import AugmentSpec
from zoo.spec import Choice, Range, Spec


class StageSpec(Spec):
    """The options that each stage of a model may set for itself."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Passes over the training pictures."""
    minutes: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Minutes that the stage takes, in place of a number of epochs."""
    batch: Annotated[int, Field(ge=1, le=65_536), Range(32, 512, log=True)] = 125
    """Pictures per step."""
    optimizer: Annotated[Literal["adamw", "sgd", "muon"], Choice("adamw", "sgd", "muon")] = "adamw"
    """AdamW, SGD with Nesterov momentum, or Muon for matrices and filters with AdamW for the rest."""
    lr: Annotated[float, Field(gt=0, le=100), Range(1e-4, 1e-2, log=True)] = 1e-3
    """Highest learning rate of the schedule."""
    weight_decay: Annotated[float, Field(ge=0, le=1), Range(1e-4, 1e-1, log=True)] = 0.01
    """Weight decay of matrices and filters as torch.optim applies it; biases and normalisation have none."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD and Muon."""
    schedule: Annotated[
        Literal["constant", "linear", "cosine", "one-cycle", "plateau"], Choice("linear", "cosine", "one-cycle")
    ] = "cosine"
    """How the learning rate goes after the warm-up: one-cycle rises and falls by half cosines and ends near 0, plateau
    halves it when the validation loss has not improved for 3 epochs."""
    warmup: Annotated[float, Field(ge=0, le=0.9)] = 0.05
    """Share of the steps, or of the minutes, over which the learning rate rises; 0.3 is usual with one-cycle."""
    clip: Annotated[float, Field(ge=0)] = 0.0
    """Largest norm of the gradient; 0: any."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the exponential moving average of the weights, which is what is evaluated and kept; 0: none."""


class TrainSpec(StageSpec):
    """How a model is trained."""

    minutes: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Minutes that the whole training takes, validation included, in place of a number of epochs: stages without
    minutes of their own share them in proportion to their epochs, and the learning rate follows the clock. An
    interrupted run goes on with what is left; unlike with epochs, its numbers are not bit for bit those of an
    undisturbed one."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the weights, the order of the pictures and the augmentation."""
    augment: AugmentSpec = AugmentSpec()
    """Augmentation of the training pictures."""
    keep: Literal["best", "last"] = "best"
    """Which weights are kept: those of the epoch with the lowest validation loss, or the last."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the forward and backward pass; auto: bfloat16 where the device has instructions for it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether the model is accelerated (compiled kernels, channels-last); auto: when the work is worth the wait."""
    save_seconds: Annotated[float, Field(ge=0)] = 30.0
    """Seconds between two savings of the state from which an interrupted run goes on."""
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options for single stages of a model, as `stages: {prior: {epochs: 60}}`."""

    @field_validator("stages")
    @classmethod
    def known(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Each stage may set what StageSpec has."""
        for name, options in value.items():
            try:
                StageSpec.model_validate(options)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in (name, *first["loc"]))
                raise PydanticCustomError("stage", "{where}: {text}", {"where": where, "text": first["msg"]}) from None
        return value

    def stage(self, name: str) -> StageSpec:
        """The options of one stage."""
        common = {key: getattr(self, key) for key in StageSpec.model_fields if key != "minutes"}
        return StageSpec.model_validate(common | self.stages.get(name, {}))

    def own_minutes(self, name: str) -> float | None:
        """The minutes that one stage has for itself."""
        return self.stage(name).minutes
