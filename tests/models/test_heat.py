"""Heat maps of classifiers: they lie where the class is, for convolutions, tokens and channels that come last."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from zoo_timm.model import build_model
from zoo_timm.spec import TimmSpec

from zoo.core.errors import ZooError
from zoo.core.types import DataInfo
from zoo.models.base import Classifier
from zoo.models.heat import heat_maps, to_grid

INFO = DataInfo.of((1, 32, 32), ("left", "right"))


class Sides(Classifier):
    """See a bright spot, and on which side it is, by maps of 8x8; `form` says how a layer returns them."""

    def __init__(self, form: str) -> None:
        super().__init__(INFO)
        self.form = form
        self.pool, self.layer, self.head = nn.AvgPool2d(4), nn.Identity(), nn.Linear(64, 2, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.stack([torch.arange(64) % 8 < 4, torch.arange(64) % 8 >= 4]).float())

    def logits(self, x: Tensor) -> Tensor:
        maps = self.pool(x)
        if self.form == "tokens":
            maps = self.layer(torch.cat([torch.ones(len(x), 1, 1), maps.flatten(2).transpose(1, 2)], 1))[:, 1:]
        elif self.form == "channels last":
            maps = self.layer(maps.permute(0, 2, 3, 1).expand(-1, -1, -1, 3)).mean(-1)
        scores: Tensor = self.head(maps.flatten(1))
        return scores


def spots() -> Tensor:
    """A picture with a spot at the left and a weaker one at the right."""
    x = torch.zeros(1, 1, 32, 32)
    x[..., 4:8, 8:12], x[..., 20:24, 24:28] = 1.0, 0.75
    return x


@pytest.mark.parametrize("form", ["maps", "tokens", "channels last"])
def test_the_heat_lies_where_the_class_is(form: str) -> None:
    model = Sides(form).eval()
    heat = heat_maps(model, spots().repeat(2, 1, 1, 1), torch.tensor([0, 1]))
    assert heat.shape == (2, 32, 32) and heat.amax((1, 2)).tolist() == [1, 1]
    for each, (row, column) in zip(heat, [(5.5, 9.5), (21.5, 25.5)], strict=True):
        rows, columns = torch.nonzero(each >= 0.99, as_tuple=True)
        assert (rows.float().mean().item(), columns.float().mean().item()) == (row, column)
        assert each[:, :16].max().item() == (1 if column < 16 else 0)


def test_without_anything_to_see_there_is_no_heat() -> None:
    assert not heat_maps(Sides("maps").eval(), torch.zeros(1, 1, 32, 32), torch.tensor([0])).any()


def test_parameters_have_no_gradients_afterwards() -> None:
    model = Sides("maps").eval()
    with torch.inference_mode(False):
        heat_maps(model, spots(), torch.tensor([0]))
    assert all(weight.grad is None for weight in model.parameters())


class Flat(Classifier):
    """A classifier without a layer that has places."""

    def __init__(self) -> None:
        super().__init__(INFO)
        self.head = nn.Linear(1024, 2)

    def logits(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(x.flatten(1))
        return scores


def test_a_model_without_maps_is_named() -> None:
    with pytest.raises(ZooError, match="has no feature maps"):
        heat_maps(Flat().eval(), spots(), torch.tensor([0]))


def test_channels_are_told_from_places() -> None:
    assert [
        None if (grid := to_grid(torch.zeros(shape), 1.0)) is None else tuple(grid.shape) for shape in SHAPES
    ] == GRIDS
    wide = to_grid(torch.zeros(1, 8, 8, 16), 0.5)
    assert wide is not None and wide.shape == (1, 8, 8, 16), "channels first, of a picture twice as wide as high"


SHAPES = [(1, 64, 7, 7), (1, 7, 7, 64), (1, 50, 64), (1, 49, 64), (1, 60, 64), (1, 64), (1, 64, 1, 1)]
GRIDS = [(1, 64, 7, 7), (1, 64, 7, 7), (1, 64, 7, 7), (1, 64, 7, 7), None, None, None]


@pytest.mark.parametrize("architecture", ["resnet10t", "vit_tiny_patch16_224", "test_efficientnet"])
def test_networks_of_timm_have_heat(architecture: str) -> None:
    torch.manual_seed(0)
    model = build_model(TimmSpec(architecture=architecture), DataInfo.of((3, 32, 32), tuple("abc"))).eval()
    with torch.no_grad():
        for weight in model.parameters():  # some begin at 0, so that nothing depends on the picture
            weight.add_(torch.randn_like(weight) * 0.02)
    heat = heat_maps(model, torch.rand(2, 3, 32, 32), torch.tensor([0, 2]))
    assert heat.shape == (2, 32, 32) and heat.amax((1, 2)).tolist() == [1, 1] and heat.min() >= 0
    assert heat.std((1, 2)).min() > 0.01
