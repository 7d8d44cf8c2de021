"""The options of the kind `timm`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo import Choice, Range, Spec

RESERVED = {
    "in_chans": "it follows from the data",
    "num_classes": "it follows from the data",
    "img_size": "set model.size instead",
    "input_size": "set model.size instead",
    "drop_rate": "set model.drop_rate instead",
    "drop_path_rate": "set model.drop_path_rate instead",
    "pretrained": "set model.pretrained instead",
    "pretrained_cfg": "set model.pretrained instead",
    "pretrained_cfg_overlay": "set model.pretrained instead",
    "checkpoint_path": "set model.pretrained instead",
    "pretrained_strict": "set model.pretrained instead",
    "cache_dir": "set HF_HUB_CACHE instead",
    "features_only": "a classifier needs its head",
    "out_indices": "a classifier needs its head",
    "device": "the trainer sets it",
    "dtype": "the trainer sets it",
    "scriptable": "it has no effect on training",
    "exportable": "it has no effect on training",
    "no_jit": "it has no effect on training",
}
"""Arguments of timm.create_model that `options` may not set, with the reason or an alternative."""

Scalar = bool | int | float | str | None


class TimmSpec(Spec):
    """An architecture of timm, adapted to the data's channels, classes and picture size."""

    architecture: Annotated[str, Field(min_length=1, max_length=120)] = "resnet18"
    """Name in timm, e.g. resnet18 or vit_tiny_patch16_224; with pretrained also name.tag, e.g. resnet18.a1_in1k."""
    stem: Annotated[Literal["auto", "keep"], Choice("auto", "keep")] = "auto"
    """auto: for pictures of at most 64 pixels a side, lower the early strides (or the patch size) until the network
    reduces them by at most 8 and its last map is about 4 x 4 or larger (7 x 7 tokens if only the patch embedding
    reduces); keep: keep timm's strides and patches."""
    size: Annotated[int | None, Field(ge=4, le=2048)] = None
    """Pixels a side to which pictures are resized bilinearly inside the model. By default they keep their size; only if
    the architecture cannot take it, they are enlarged to the smallest size that works: timm's own size divided by the
    lowered strides, then 32, 64, 96, 120, 128, 160, 192, 224, 256 or timm's own size."""
    drop_rate: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.5)] = 0.0
    """Dropout rate in the head."""
    drop_path_rate: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.0
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): probability of skipping the last residual block in
    training; use 0 if the architecture does not support it."""
    pretrained: bool = False
    """Start from timm's weights, safetensors downloaded once from the Hugging Face Hub (with HF_HUB_OFFLINE=1, from its
    cache)."""
    max_parameters: Annotated[int | None, Field(ge=1, le=100_000_000_000)] = None
    """Largest number of trainable weights, checked before any are allocated; larger architectures are refused."""
    options: dict[str, Scalar] = Field(default_factory=dict, max_length=32)
    """Further arguments for the architecture's constructor, e.g. {patch_size: 2} or {act_layer: silu}."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.2)] = 0.0
    """Share of each training label spread over all classes (label smoothing)."""

    @model_validator(mode="after")
    def _check(self) -> TimmSpec:
        for name in self.options:
            if name in RESERVED:
                raise ValueError(f"model.options.{name} is not allowed: {RESERVED[name]}")
        return self
