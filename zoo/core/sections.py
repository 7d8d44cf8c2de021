"""The options of an entry's `data`, `train` and `tune` sections."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from zoo.core.augment_list import parse_items
from zoo.core.deprecation import Renamed
from zoo.core.figures import Goal
from zoo.core.spec import Choice, Range, Spec

Share = Annotated[float, Field(ge=0, lt=1)]
COMPUTED_OBJECTIVES = ("efficiency", "fewest-parameters", "pareto")
"""Objectives that are computed from several figures, rather than named after one."""
CHANGEABLE_OPTIONS = frozenset({"trials", "attempts", "hang_timeout", "cpus", "gpus"})
"""Options that may change when a study is resumed, since they do not affect what its trials mean."""
MOST_STARTUP, STARTUP_SHARE = 10, 4
"""With `startup: auto`, one in this many trials ends before results are used, and at most so many."""
DISTILL_TEMPERATURE, DISTILL_WEIGHT = 4.0, 0.9


class TransformSpec(Spec):
    """Base class of the options of all augmentation kinds.

    Raises:
        pydantic.ValidationError: If `p` is no probability, or an option is out of bounds.

    Example:
        >>> from zoo import TransformSpec
        >>> class Blur(TransformSpec):
        ...     radius: float = 1.0
        >>> Blur(p=0.3).p
        0.3
    """

    p: Annotated[float, Field(ge=0, le=1), Range(0.1, 1.0)] = 1.0
    """Probability that a picture is augmented in this way."""


class AugmentSpec(Spec):
    """Random crop, flip, cutout and colour jitter, sampled for each picture and epoch."""

    newer_options = frozenset({"then"})

    pad: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = "auto"
    """Pixels of border added before a random crop to the original size; auto: an eighth of the height."""
    pad_mode: Literal["zero", "reflect"] = "zero"
    """What fills the border: black, or the mirrored picture."""
    flip: bool | Literal["auto", "alternate", "auto-alternate"] = "auto"
    """Flip left-right: true: a random half of the pictures; alternate: each picture in alternating epochs; auto: true
    for colour pictures only; auto-alternate: alternate for colour pictures only."""
    cutout: Annotated[int, Field(ge=0, le=1024)] = 0
    """Side in pixels of a cutout square filled with the mean colour; 0: none."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Brightness is multiplied by a random factor within 1 ± this."""
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Contrast (distance from the picture's mean) is multiplied by a random factor within 1 ± this."""
    then: tuple[dict[str, Any], ...] = ()
    """Further augmentations in their order, each with a kind and its options: `mixup p=0.5, trivial-augment`, or a list
    of mappings; none: no further ones."""

    @field_validator("then", mode="before")
    @classmethod
    def parse_then(cls, value: Any) -> Any:
        """Accept a line of text or a mapping for a list."""
        return tuple(parse_items(value))


class DataSpec(Spec):
    """Base class of the options of all data kinds: how the pictures are split.

    Raises:
        pydantic.ValidationError: If `valid` and `test` leave no pictures for training, or an option is out of bounds.

    Example:
        >>> from zoo import DataSpec
        >>> class Digits(DataSpec):
        ...     path: str = "digits"
        >>> Digits(valid=0.2).test
        0.2
    """

    newer_options = frozenset({"folds", "fold"})

    valid: Share = 0.1
    """Share of each class's pictures kept for validation, if the data has no validation split of its own."""
    test: Share = 0.2
    """Share of each class's pictures kept for testing, if the data has no test split of its own."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Seed that chooses which pictures are kept for validation and testing."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Use at most this many training pictures, keeping the class proportions."""
    imbalance: Annotated[float, Field(ge=1, le=1e6)] | None = None
    """Imbalance factor that makes a balanced set long-tailed (as in arXiv:1906.07413): in every split the last class
    becomes this many times rarer than the first, with a geometric progression in between."""

    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Number of equal parts, stratified by class, into which the training and validation pictures are cut for
    cross-validation, as `zoo compare --folds` does it."""
    fold: Annotated[int, Field(ge=1)] | None = None
    """Which of the `folds` parts, from 1 on, stands in for the test pictures, which are not used."""

    @model_validator(mode="after")
    def _check_folds(self) -> Self:
        if (self.folds is None) != (self.fold is None) or (self.fold or 1) > (self.folds or 1):
            raise ValueError("data.fold must be one of the parts 1 to data.folds: set both, or use zoo compare --folds")
        return self

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.valid + self.test >= 1:
            raise ValueError(
                "data.valid and data.test together must be less than 1, so that some pictures are left for training"
            )
        return self


class PictureSpec(DataSpec):
    """Base class of the options of data kinds that decode picture files.

    Raises:
        pydantic.ValidationError: If an option is out of bounds.

    Example:
        >>> from zoo.core import PictureSpec
        >>> spec = PictureSpec(size=32, channels=3)
        >>> spec.fit
        'crop'
    """

    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Height and width in pixels to which every picture is resized."""
    fit: Literal["crop", "squash"] = "crop"
    """How other aspect ratios are handled: crop: centre crop; squash: distort."""
    channels: Literal[1, 3] | None = None
    """1: grey, 3: colour; default grey if the first pictures are all stored as grey."""
    max_bad: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest share of unreadable pictures to skip and list; one is always skipped unless this is 0."""


class StageSpec(Spec):
    """Training options that each stage of a model may override."""

    newer_options = frozenset(
        {"init_from", "freeze", "lr_mult", "monitor", "goal", "balance", "balance_power"}
        | {"teacher", "distill_temperature", "distill_weight"}
        | {"lr_bias", "lr_norm", "decay_bias", "decay_norm", "decoupled", "lookahead"}
        | {"accumulate", "cooldown", "patience", "min_delta", "cache", "initial_scale", "finetune_fraction"}
    )

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Passes over the training pictures."""
    minutes: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Minutes for the stage, instead of a number of epochs."""
    batch: Annotated[int, Field(ge=1, le=65_536), Range(32, 512, log=True)] = 125
    """Pictures per step, or where gradients are accumulated, per forward and backward pass."""
    accumulate: Annotated[int | None, Field(ge=1, le=65_536)] = None
    """Batches per step, whose gradients are averaged: the step of a batch that many times larger, which need not fit
    the memory; default 1. Statistics of batch normalisation are still those of single batches."""
    optimizer: Annotated[Literal["adamw", "sgd", "muon"], Choice("adamw", "sgd", "muon")] = "adamw"
    """AdamW, SGD with Nesterov momentum, or Muon for matrices and filters with AdamW for the rest."""
    lr: Annotated[float, Field(gt=0, le=100), Range(1e-4, 1e-2, log=True)] = 1e-3
    """Peak learning rate of the schedule."""
    weight_decay: Annotated[float, Field(ge=0, le=1), Range(1e-4, 1e-1, log=True)] = 0.01
    """Weight decay of matrices and filters as torch.optim applies it; not for biases, normalisation, and what modules
    name in `no_weight_decay`."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD and Muon."""
    schedule: Annotated[
        Literal["constant", "linear", "cosine", "one-cycle", "plateau", "triangular", "wsd"],
        Choice("linear", "cosine", "one-cycle"),
    ] = "cosine"
    """Learning-rate schedule after the warm-up: one-cycle rises and falls along half cosines and ends near 0; plateau
    halves the rate when the validation loss has not improved for 3 epochs; triangular rises from 0.2 of the peak along
    a line and falls to 0.07; wsd (warm-up, stable, decay: Hu et al. 2024, arXiv:2404.06395) stays at the peak and falls
    to 0 in the last part."""
    warmup: Annotated[float, Field(ge=0, le=0.9)] = 0.05
    """Share of the steps or minutes used for warm-up; 0.3 is usual with one-cycle, 0.23 with triangular."""
    cooldown: Annotated[float | None, Field(gt=0, le=1)] = None
    """Share of the steps or minutes in which the rate of the schedule wsd falls to 0; default 0.2."""
    clip: Annotated[float, Field(ge=0)] = 0.0
    """Gradient norm to clip to; 0: no clipping."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the exponential moving average of the weights; the average is evaluated and kept; 0: none."""
    lr_mult: Annotated[float | None, Field(gt=0, le=100)] = None
    """Factor of the learning rate for weights that were taken from `init_from`; new ones are trained at `lr`."""
    monitor: Annotated[str | None, Field(min_length=1, max_length=60)] = None
    """Validation figure that chooses the kept epoch and guides the schedule plateau, instead of `loss`: one of the
    model's own, such as accuracy, or for a classifier macro_accuracy (mean recall of the classes) or macro_f1."""
    goal: Literal["min", "max"] | None = None
    """For monitor: whether the figure is better when lower (min) or higher (max); default by its name, e.g. max for
    accuracy, F1 or PSNR."""
    patience: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Epochs without an improvement of the validation loss or `monitor` after which the stage stops early. Epochs in
    which the rate rises do not count; a rate that has not come down falls to 0 in a tenth of the time so far first."""
    min_delta: Annotated[float | None, Field(ge=0)] = None
    """Smallest change that `patience` counts as an improvement; default 0."""
    lr_bias: Annotated[float | None, Field(gt=0, le=1000)] = None
    """Factor of the learning rate for biases outside of normalisation."""
    lr_norm: Annotated[float | None, Field(gt=0, le=1000)] = None
    """Factor of the learning rate for scales and biases of normalisation."""
    decay_bias: Annotated[float | None, Field(ge=0, le=1000)] = None
    """Factor of the weight decay for biases outside of normalisation, which otherwise have none."""
    decay_norm: Annotated[float | None, Field(ge=0, le=1000)] = None
    """Factor of the weight decay for scales and biases of normalisation, which otherwise have none."""
    decoupled: bool | None = None
    """Whether weight decay is decoupled from the learning rate (Loshchilov and Hutter 2017, arXiv:1711.05101): a step
    takes the share `weight_decay` of a weight, times the schedule's factor."""
    cache: bool | None = None
    """For a stage after others: whether what their parts of the model make of a picture, such as the codes of a codec,
    is computed once for each picture and its mirror image and kept in memory, rather than in every epoch."""
    initial_scale: Annotated[float | None, Field(ge=0.25, lt=1)] = None
    """Progressive resizing, which fast.ai introduced, for a classifier that takes pictures of several sizes: share of
    their height and width with which the training begins, in less time. They grow evenly to their full size; validation
    and evaluation always see that."""
    finetune_fraction: Annotated[float | None, Field(gt=0, lt=1)] = None
    """For `initial_scale`: share of the steps or minutes, at the end, in which pictures have their full size; default
    0.3."""
    lookahead: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """Steps after which the weights return to their running average (Zhang et al. 2019, arXiv:1907.08610), whose decay
    grows to 0.95 a step with the cube of the training's share; the average is evaluated and kept."""

    @model_validator(mode="after")
    def check_average(self) -> Self:
        """Check that there is one average of the weights at most."""
        if self.lookahead is not None and self.ema:
            raise ValueError("train.lookahead and train.ema both average the weights: set one of them")
        return self

    @model_validator(mode="after")
    def check_kept(self) -> Self:
        """Check that pictures which grow are not encoded once."""
        if self.initial_scale is not None and self.cache:
            raise ValueError(
                "train.cache encodes pictures once, but those of train.initial_scale grow: set one of them"
            )
        return self

    @property
    def step_pictures(self) -> int:
        """Pictures of an optimisation step: those of `accumulate` batches."""
        return self.batch * (self.accumulate or 1)


class TrainSpec(StageSpec):
    """How a model is trained."""

    minutes: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Minutes for the whole training including validation, instead of a number of epochs: stages without minutes of
    their own share them in proportion to their epochs, and the learning rate follows elapsed time. An interrupted run
    resumes with the time left; unlike with epochs, its results are not bit for bit those of an uninterrupted run."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the weights, the order of the pictures and the augmentation."""
    augment: AugmentSpec = AugmentSpec()
    """Augmentation of the training pictures."""
    keep: Literal["best", "last"] = "best"
    """Which weights are kept: those of the epoch with the lowest validation loss or best `monitor`, or the last."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the forward and backward pass; auto: bfloat16 if the device supports it, float16 on GPUs that have
    only that. With float16 the loss is scaled so that small gradients do not vanish (Micikevicius et al. 2017,
    arXiv:1710.03740)."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether to accelerate the model (compiled kernels, channels-last); auto: if the training is long enough to pay
    off."""
    init_from: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    """Weights to start from: a run folder, an entry or a study, instead of random ones. Those whose names and shapes
    fit are taken; the head for other classes is new."""
    freeze: str | tuple[str, ...] | None = None
    """Weights that stay as they are, with the statistics of their batch normalisation: patterns of parameter names,
    such as `blocks.*`, separated by commas; a name without `*` also means all that begins with it and a dot."""
    balance: Literal["none", "sampler", "loss", "logit-adjustment"] | None = None
    """What makes up for rare classes: sampler: their pictures are drawn more often; loss: they count more in the loss
    of a classifier; logit-adjustment: the logarithm of each class's share is added to its score during the training
    (Menon et al. 2021, arXiv:2007.07314). The validation loss stays as it is."""
    balance_power: Annotated[float | None, Field(ge=0, le=1)] = None
    """Strength of `balance`, from 0 (no effect) to 1 (all classes count alike), which is the default."""
    teacher: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    """Trained classifier from which a classifier of the same classes learns, beside the labels: a run folder, an entry
    or a study (Hinton et al. 2015, arXiv:1503.02531)."""
    distill_temperature: Annotated[float | None, Field(gt=0, le=100)] = None
    """Temperature that softens the probabilities of the teacher and of the model; 4 by default."""
    distill_weight: Annotated[float | None, Field(gt=0, le=1)] = None
    """Share of the teacher's probabilities in the loss, the rest is that of the labels; 0.9 by default."""
    save_seconds: Annotated[float, Field(ge=0)] = 30.0
    """Seconds between checkpoints, from which an interrupted run resumes."""
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options for single stages of a model, e.g. `stages: {prior: {epochs: 60}}`."""

    @field_validator("stages")
    @classmethod
    def check_stages(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Check that each stage sets only options of StageSpec."""
        for name, options in value.items():
            try:
                StageSpec.model_validate(options)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in (name, *first["loc"]))
                raise PydanticCustomError("stage", "{where}: {text}", {"where": where, "text": first["msg"]}) from None
        return value

    @field_validator("balance")
    @classmethod
    def forget_none(cls, value: str | None) -> str | None:
        """Treat `none` as unset, so that it gives the same entry."""
        return None if value == "none" else value

    @field_validator("freeze")
    @classmethod
    def split_patterns(cls, value: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Split patterns at commas."""
        patterns = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value
        if patterns is not None and not all(patterns):
            raise ValueError("a pattern is empty: give names such as blocks.*, separated by commas")
        return patterns or None

    @model_validator(mode="after")
    def check_rates(self) -> Self:
        """Check that there are weights for which a factor of the learning rate is meant."""
        given = self.lr_mult is not None or any(stage.get("lr_mult") is not None for stage in self.stages.values())
        if given and self.init_from is None:
            raise ValueError("train.lr_mult needs train.init_from: it is for weights that are taken from a run")
        return self

    @model_validator(mode="after")
    def check_combined(self) -> Self:
        """Check that the options of each stage go together with the common ones."""
        for name in self.stages:
            try:
                self.stage(name)
            except ValidationError as error:
                text = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"train.stages.{name}, with the common options: {text}") from None
        return self

    @property
    def power(self) -> float:
        """The strength of `balance`; 0 for none."""
        if self.balance is None:
            return 0.0
        return 1.0 if self.balance_power is None else self.balance_power

    @property
    def sampler_power(self) -> float:
        """The strength with which rare classes are drawn more often; 0 for other ways of `balance`."""
        return self.power if self.balance == "sampler" else 0.0

    @property
    def frozen(self) -> tuple[str, ...]:
        """The patterns of `freeze`."""
        return self.freeze if isinstance(self.freeze, tuple) else ()

    @property
    def distillation(self) -> tuple[float, float]:
        """Temperature and weight of what is learnt from `teacher`."""
        weight = DISTILL_WEIGHT if self.distill_weight is None else self.distill_weight
        return self.distill_temperature or DISTILL_TEMPERATURE, weight

    def stage(self, name: str) -> StageSpec:
        """Combine the common options with those of one stage."""
        common = {key: getattr(self, key) for key in StageSpec.model_fields if key != "minutes"}
        return StageSpec.model_validate(common | self.stages.get(name, {}))

    def own_minutes(self, name: str) -> float | None:
        """Get the minutes of one stage; None if it shares those of the whole training."""
        return self.stage(name).minutes


class TuneSpec(Spec):
    """How an entry is tuned."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Number of trials in the study, including earlier ones but not refused candidates."""
    objective: Annotated[str, Field(min_length=1, max_length=60)] = "loss"
    """What to optimise: a figure of the validation split (loss, accuracy, ...), efficiency = 1 / (loss x parameters),
    fewest-parameters among models with loss <= bound, or pareto: the front of loss and parameters."""
    goal: Goal = "auto"
    """Whether a figure is better when lower (min) or higher (max); auto: by its name, e.g. max for accuracy, F1 or
    PSNR."""
    bound: Annotated[float, Field()] | None = None
    """Largest acceptable validation loss, for fewest-parameters."""
    max_params: Annotated[int, Field(ge=1)] | None = None
    """Largest number of trainable parameters; larger candidates are refused before their weights are allocated."""
    max_flops: Annotated[int, Field(ge=1)] | None = None
    """Largest number of floating-point operations of a forward pass for one picture, as `zoo show` counts them."""
    max_latency: Annotated[float, Field(gt=0)] | None = None
    """Largest time in milliseconds of a forward pass for one picture, measured where a candidate is trained, before
    that."""
    sampler: Literal["tpe", "random", "gp", "nsga2"] = "tpe"
    """Optuna's sampler: tree-structured Parzen estimator, random search, Gaussian process, or NSGA-II."""
    startup: Annotated[int, Field(ge=0, le=10_000)] | Literal["auto"] = "auto"
    """Trials that end before tpe and gp use their results, random ones but for those that a study starts with; auto: a
    quarter of the trials, at most 10. Also the population size of nsga2, at least 10."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the sampler."""
    grace_period: Annotated[int, Field(ge=1), Renamed("grace", since="0.2", removed="0.4")] = 2
    """Epochs before ASHA (Li et al. 2018, arXiv:1810.05934) may stop a trial."""
    reduction_factor: Annotated[float, Field(gt=1, le=100), Renamed("reduction", since="0.2", removed="0.4")] = 3.0
    """One in this many trials continues past each rung, and rungs are this factor apart."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive crashes or out-of-memory errors, without a new epoch in between, before a trial is given up."""
    hang_timeout: Annotated[float, Field(gt=0), Renamed("patience", since="0.2", removed="0.4")] = 300.0
    """Seconds without a training step before a trial counts as hung."""
    cpus: Annotated[float, Field(gt=0)] = 1.0
    """CPU cores (and threads) per trial."""
    gpus: Annotated[float, Field(ge=0)] | None = None
    """Share of a GPU, or number of GPUs, per trial; default a quarter if there are GPUs."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Search ranges that override the options' own: `model.first: {low: 32, high: 48, step: 2}` or `32..48 step 2`,
    `model.norm: [before, after]`, or null to keep an option's value."""

    @property
    def random_trials(self) -> int:
        """The value of `startup`, also where that is auto."""
        return min(MOST_STARTUP, self.trials // STARTUP_SHARE) if self.startup == "auto" else self.startup
