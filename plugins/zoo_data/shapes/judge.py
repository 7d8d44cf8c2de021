"""The judge of `shapes`: a small network that reads what a picture shows, trained on pictures of no data set."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo.core import DataInfo, ZooError
from zoo.models import EVAL_BATCH, Judge, JudgeOutput
from zoo_data.shapes.grammar import COLOURS, FORWARD, PLACES, SHAPES, SIZES, Scene, Thing
from zoo_data.shapes.scenes import SIDE

LOOKS = {"shape": len(SHAPES), "colour": len(COLOURS), "size": len(SIZES)}
HEADS = {
    "count": 2,
    **{f"{key}{slot}": count for slot in (1, 2) for key, count in LOOKS.items()},
    "place": len(PLACES),
    "relation": len(FORWARD),
}
"""What is read, in the order of the outputs, and of how many values."""
WIDTHS, POOLED, FEATURES = (32, 48, 64, 96), (48, 64), 128
SHAPE = (3, SIDE, SIDE)
WEIGHTS = "reader.safetensors"


def build_judge(info: DataInfo) -> AttributeReader:
    """Load the network; ZooError for pictures of another shape than those of `shapes`."""
    if info.shape != SHAPE:
        size = "x".join(map(str, info.shape))
        raise ZooError(f"the judge shapes reads pictures of 3x{SIDE}x{SIDE}, not {size}", "choose another --judge")
    return load_reader()


class AttributeReader(Judge):
    """A network that reads the attributes of pictures of shapes; its features are those before its last layer."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        for before, width in zip((12, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] * (width in POOLED)
        side = SIDE // 2 ** (1 + len(POOLED))
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * side**2, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, sum(HEADS.values()))

    def forward(self, x: Tensor) -> JudgeOutput:
        """Compute the features of pictures (N, 3, 32, 32) with values 0..1."""
        return JudgeOutput(self.body(x - 0.5), None)

    def read(self, x: Tensor) -> dict[str, Tensor]:
        """Compute unnormalised log-probabilities (N, K) of the values of each attribute."""
        outputs = torch.split(self.head(self.body(x - 0.5)), list(HEADS.values()), 1)
        return dict(zip(HEADS, outputs, strict=True))

    @torch.inference_mode()
    def scenes(self, x: Tensor) -> list[Scene]:
        """Read what each picture (N, 3, 32, 32) shows."""
        device = self.head.weight.device
        parts = [self.read(part.to(device)) for part in torch.split(x, EVAL_BATCH)]
        values = {key: torch.cat([part[key].argmax(1) for part in parts]).tolist() for key in HEADS}
        return [scene_of({key: value[row] for key, value in values.items()}) for row in range(len(x))]


def scene_of(values: dict[str, int]) -> Scene:
    """Name the attributes of a picture."""
    slots = range(1, values["count"] + 2)
    things = tuple(
        Thing(SHAPES[values[f"shape{k}"]], COLOURS[values[f"colour{k}"]], SIZES[values[f"size{k}"]]) for k in slots
    )
    return Scene(things, FORWARD[values["relation"]] if len(things) == 2 else list(PLACES)[values["place"]])


@cache
def load_reader() -> AttributeReader:
    """Load the network with the weights in this package, which `python -m zoo_data.shapes.training` makes."""
    model = AttributeReader()
    with as_file(files(__package__) / WEIGHTS) as path:
        model.load_state_dict(load_file(path))
    return model.eval().requires_grad_(False)
