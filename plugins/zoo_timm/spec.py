"""The options of the kind `timm`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

OWN = {
    "in_chans": "the data decides it",
    "num_classes": "the data decides it",
    "img_size": "say size",
    "input_size": "say size",
    "drop_rate": "it is an option of its own",
    "drop_path_rate": "it is an option of its own",
    "pretrained": "it is an option of its own",
    "pretrained_cfg": "say pretrained",
    "pretrained_cfg_overlay": "say pretrained",
    "checkpoint_path": "say pretrained",
    "pretrained_strict": "say pretrained",
    "cache_dir": "set HF_HUB_CACHE",
    "features_only": "a classifier needs its head",
    "out_indices": "a classifier needs its head",
    "device": "the trainer decides it",
    "dtype": "the trainer decides it",
    "scriptable": "it changes nothing that is trained",
    "exportable": "it changes nothing that is trained",
    "no_jit": "it changes nothing that is trained",
}
"""Arguments of timm.create_model that `options` may not set, and what to do instead."""

Scalar = bool | int | float | str | None


class TimmSpec(Spec):
    """An architecture of timm, adapted to the data's channels, classes and picture size."""

    architecture: Annotated[str, Field(min_length=1, max_length=120)] = "resnet18"
    """Name in timm, as resnet18 or vit_tiny_patch16_224; with pretrained also name.tag, as resnet18.a1_in1k."""
    stem: Annotated[Literal["auto", "keep"], Choice("auto", "keep")] = "auto"
    """auto: where pictures have at most 64 pixels a side, lower the early strides (or the patch size) until the whole
    network reduces them by at most 8 and its last map is about 4 x 4 or larger (7 x 7 tokens where only the patch
    embedding reduces); keep: leave timm's strides and patches as they are."""
    size: Annotated[int | None, Field(ge=4, le=2048)] = None
    """Pixels a side to which pictures are resized bilinearly inside the model. Without it they stay as they are; only
    where the architecture cannot take that are they raised to the least of 32, 64, 96, 120, 128, 160, 192, 224, 256 and
    timm's own size, or to timm's own size over the lowered strides, that it can take."""
    drop_rate: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.5)] = 0.0
    """Share of the features that the head drops in training."""
    drop_path_rate: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.0
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): how often the last residual block is skipped in training;
    0 where the architecture does not know it."""
    pretrained: bool = False
    """Start from timm's weights, safetensors that are downloaded once from the Hugging Face hub (with HF_HUB_OFFLINE=1:
    taken from its cache)."""
    max_parameters: Annotated[int | None, Field(ge=1, le=100_000_000_000)] = None
    """Budget of trained weights, checked before any are allocated; an architecture above it is refused."""
    options: dict[str, Scalar] = Field(default_factory=dict, max_length=32)
    """Further arguments of the architecture's constructor, as {patch_size: 2} or {act_layer: silu}."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.2)] = 0.0
    """Share of each training label that is spread over all classes."""

    @model_validator(mode="after")
    def _check(self) -> TimmSpec:
        for name in self.options:
            if name in OWN:
                raise ValueError(f"options.{name} is not for options: {OWN[name]}")
        return self
