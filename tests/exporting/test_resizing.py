"""Pictures of any size are resized as Pillow does it, by plain operations."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.data.decode import Recipe, SourceStatistics, resize_picture
from zoo.exporting.resizing import Resizing

SIZES = ((12, 20), (24, 40), (7, 9), (1, 1), (5, 60), (60, 5), (37, 100), (300, 200))


@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_equals_pillow_to_one_level(fit: Literal["crop", "squash"], channels: Literal[1, 3]) -> None:
    recipe = Recipe(12, 20, channels, fit, same_size=False, all_grey=False)
    module = Resizing(12, 20, fit)
    for size in SIZES:
        pixels = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        expected = resize_picture(image, recipe, SourceStatistics()).astype(int)
        found = module(torch.from_numpy(pixels)[None])[0].permute(1, 2, 0).mul(255).round().int().numpy()
        assert abs(found - expected).max() <= (0 if size in {(12, 20), (24, 40), (1, 1)} else 1), size


def test_pictures_of_the_right_size_are_unchanged_to_the_bit() -> None:
    pixels = torch.randint(0, 256, (2, 8, 6, 3), dtype=torch.uint8)
    assert torch.equal(Resizing(8, 6, "crop")(pixels), pixels.permute(0, 3, 1, 2).float() / 255)
