"""Augmentation against a plain picture-by-picture version, and the order of batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zoo.core.errors import ZooError
from zoo.core.sections import AugmentSpec
from zoo.data.dataset import Pictures, mean_std
from zoo.data.loader import Draws, Loader, batches

CIFAR, DIGITS, WIDE = (32, 32, 3), (8, 8, 1), (10, 14, 3)
RECIPES: list[dict[str, Any]] = [
    {"pad": 0, "flip": False},
    {"pad": 0, "flip": True},
    {},
    {"pad": 3, "flip": False, "pad_mode": "reflect"},
    {"pad": 12, "flip": "alternate"},
    {"flip": True, "cutout": 5},
    {"pad": 2, "cutout": 40},
    {"brightness": 0.4, "contrast": 0.5, "cutout": 4, "pad_mode": "reflect"},
    {"contrast": 1.0},
]


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> Pictures:
    values = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    return Pictures.of(values, np.arange(count))


def plain(loader: Loader, x: NDArray[np.uint8], draws: Draws, place: int, mean: NDArray[np.float32]) -> NDArray[Any]:
    """One picture (H, W, C), augmented step by step as the options are described."""
    spec, pad = loader.spec, loader.pad
    height, width, _ = x.shape
    frame = ((pad, pad), (pad, pad), (0, 0))
    padded = np.pad(x, frame) if spec.pad_mode == "zero" else np.pad(x, frame, mode="reflect")
    top, left = draws.shift[place].tolist()
    cropped = padded[top : top + height, left : left + width]
    if draws.flip[place]:
        cropped = cropped[:, ::-1]
    out = cropped.astype(np.float32) / np.float32(255)
    bright, contrast = draws.jitter[place].numpy()
    if spec.brightness or spec.contrast:
        out = (out * bright).clip(0, 1)
        out = (out.mean() + (out - out.mean()) * contrast).clip(0, 1)
    if spec.cutout:
        row, column = (int(at) - spec.cutout // 2 for at in draws.centre[place])
        out[max(0, row) : max(0, row + spec.cutout), max(0, column) : max(0, column + spec.cutout)] = mean
    return out


@pytest.mark.parametrize("shape", [CIFAR, DIGITS, WIDE])
@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_batch_equals_its_pictures_augmented_one_by_one(shape: tuple[int, int, int], recipe: dict[str, Any]) -> None:
    data = pictures(23, shape)
    loader = Loader(data, 10, AugmentSpec(**recipe), seed=5)
    mean = np.array(mean_std(data)[0], np.float32)
    tolerance = 1e-6 if loader.spec.brightness or loader.spec.contrast else 0.0
    for epoch in (0, 1):
        draws = loader.draw("model", epoch)
        shown = list(loader.epoch("model", epoch))
        x, y = torch.cat([batch.x for batch in shown]), torch.cat([batch.y for batch in shown])
        assert y.tolist() == draws.order[:20].tolist()
        for place in range(20):
            expected = plain(loader, data.nhwc[draws.order[place]].numpy(), draws, place, mean)
            np.testing.assert_allclose(x[place].permute(1, 2, 0).numpy(), expected, rtol=0, atol=tolerance)


def test_batches_are_float_channels_last_within_0_and_1() -> None:
    for batch in Loader(pictures(40, CIFAR), 16, AugmentSpec(brightness=0.9)).epoch("model", 0):
        assert batch.x.dtype == torch.float32
        assert batch.x.shape == (16, 3, 32, 32)
        assert batch.x.is_contiguous(memory_format=torch.channels_last)
        assert batch.x.min() >= 0
        assert batch.x.max() <= 1
        assert batch.y.dtype == torch.int64


def test_auto_pads_an_eighth_and_flips_colour_only() -> None:
    spec = AugmentSpec()
    colour, grey = Loader(pictures(4, CIFAR), 2, spec), Loader(pictures(4, DIGITS), 2, spec)
    assert (colour.pad, colour.flip) == (4, True)
    assert (grey.pad, grey.flip) == (1, False)
    alternate = AugmentSpec(flip="auto-alternate")
    assert [Loader(part, 1, alternate).flip for part in (pictures(4, CIFAR), pictures(4, DIGITS))] == [
        "alternate",
        False,
    ]


def test_every_crop_and_both_flips_occur() -> None:
    draws = Loader(pictures(2000, DIGITS), 100, AugmentSpec(pad=2, flip=True)).draw("model", 0)
    assert {tuple(shift) for shift in draws.shift.tolist()} == {
        (row, column) for row in range(5) for column in range(5)
    }
    assert 850 < int(draws.flip.sum()) < 1150


def test_alternate_flips_mirror_each_picture_every_other_epoch() -> None:
    loader = Loader(pictures(64, CIFAR), 64, AugmentSpec(flip="alternate"))
    flipped = []
    for epoch in range(3):
        draws = loader.draw("model", epoch)
        by_picture = torch.empty(64, dtype=torch.bool)
        by_picture[draws.order] = draws.flip
        flipped.append(by_picture)
    assert torch.equal(flipped[0], ~flipped[1])
    assert torch.equal(flipped[0], flipped[2])
    assert 0 < int(flipped[0].sum()) < 64


def test_without_a_spec_only_the_order_changes() -> None:
    data = pictures(30, CIFAR)
    (batch,) = Loader(data, 30).epoch("model", 0)
    assert batch.y.tolist() != list(range(30))
    assert torch.equal(batch.x, data.x[batch.y].float() / 255)


@pytest.mark.parametrize("start", [0, 1, 4, 6, 7])
def test_an_epoch_resumed_at_a_step_gives_the_same_batches(start: int) -> None:
    spec = AugmentSpec(cutout=6, brightness=0.2, contrast=0.2)
    whole = list(Loader(pictures(100, CIFAR), 14, spec, seed=3).epoch("model", 2))
    rest = list(Loader(pictures(100, CIFAR), 14, spec, seed=3).epoch("model", 2, start))
    assert len(whole) == 7
    assert len(rest) == 7 - start
    for first, second in zip(whole[start:], rest, strict=True):
        assert torch.equal(first.x, second.x)
        assert torch.equal(first.y, second.y)


def test_seed_stage_and_epoch_each_change_everything() -> None:
    def draws(seed: int, stage: str, epoch: int) -> Draws:
        return Loader(pictures(200, CIFAR), 50, AugmentSpec(brightness=0.5), seed=seed).draw(stage, epoch)

    first = draws(0, "model", 0)
    assert all(torch.equal(*pair) for pair in zip(first, draws(0, "model", 0), strict=True))
    for other in (draws(1, "model", 0), draws(0, "prior", 0), draws(0, "model", 1)):
        assert not any(torch.equal(*pair) for pair in zip(first, other, strict=True))


def test_only_full_batches_are_shown_unless_the_set_is_smaller_than_one() -> None:
    loader = Loader(pictures(25, DIGITS), 10)
    shown = [batch.y for batch in loader.epoch("model", 0)]
    assert loader.steps == len(shown) == 2
    assert len(set(torch.cat(shown).tolist())) == 20
    small = Loader(pictures(7, DIGITS), 10)
    assert small.steps == 1
    assert [sorted(batch.y.tolist()) for batch in small.epoch("model", 0)] == [list(range(7))]


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    list(Loader(pictures(20, CIFAR), 10, AugmentSpec(cutout=4)).epoch("model", 0))
    assert torch.equal(before, torch.get_rng_state())


def test_the_set_is_not_copied_on_its_device() -> None:
    data = pictures(20, CIFAR)
    assert Loader(data, 10, AugmentSpec()).x.data_ptr() == data.x.data_ptr()


def test_a_border_too_wide_to_mirror_is_an_error() -> None:
    with pytest.raises(ZooError, match=r"train\.augment\.pad=8 is too large .* set train\.augment\.pad=7 or less"):
        Loader(pictures(4, DIGITS), 2, AugmentSpec(pad=8, pad_mode="reflect"))


def test_plain_batches_hold_every_picture_in_order() -> None:
    data = pictures(25, WIDE)
    shown = list(batches(data, 10))
    assert [len(batch.y) for batch in shown] == [10, 10, 5]
    assert torch.equal(torch.cat([batch.x for batch in shown]), data.x.float() / 255)
    assert torch.equal(torch.cat([batch.y for batch in shown]), data.y)
    assert all(batch.x.is_contiguous(memory_format=torch.channels_last) for batch in shown)


def test_copies_to_a_device_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = torch.Tensor.to, []

    def to(self: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        asked.append((args, options))
        return real(self, *args, **options)

    monkeypatch.setattr(torch.Tensor, "to", to)
    assert [batch.x.device.type for batch in batches(pictures(23, CIFAR), 10, "meta")] == ["meta"] * 3
    assert sum("meta" in args for args, _ in asked) == 6
    assert not any(options.get("non_blocking") for _, options in asked)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_the_same_batches() -> None:
    data, spec = pictures(100, CIFAR), AugmentSpec(cutout=6)
    for here, there in zip(
        Loader(data, 20, spec).epoch("model", 0), Loader(data, 20, spec, device="cuda").epoch("model", 0), strict=True
    ):
        torch.testing.assert_close(there.x.cpu(), here.x, rtol=0, atol=1e-7)
        assert torch.equal(there.y.cpu(), here.y)
