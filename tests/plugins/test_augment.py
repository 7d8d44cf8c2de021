"""The zoo's own augmentation: against torchvision and the papers' formulas, and its rules."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
import zoo_augment.operations as op
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv
from zoo_augment import trivial

from zoo.core.errors import MissingError, ZooError
from zoo.core.types import Batch, DataInfo
from zoo.data.augment import Mix
from zoo.data.augmenter import Augmenter, Step
from zoo.models import Classifier
from zoo.registry.catalog import catalog
from zoo.testing import checks
from zoo.testing.toys import LinearClassifier

INFO = DataInfo((3, 32, 32), tuple("abcdefghij"), (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
KINDS = ["crop", "flip", "affine", "cutout", "colour-jitter", "mixup", "cutmix", "trivial-augment"]
needs_kornia = pytest.mark.skipif(importlib.util.find_spec("kornia") is None, reason="kornia is not installed")


@checks("augment")
def test_every_kind_passes_zoo_check(check: Any) -> None:
    check()


@needs_kornia
@checks("augment:kornia", "operation=RandomSharpness")
def test_kornia_passes_zoo_check(check: Any) -> None:
    check()


def made(kind: str, info: DataInfo = INFO, **options: Any) -> Any:
    _, found = catalog().find("augment", kind)
    return found.build(found.spec(**options), info)


def some(count: int = 64, shape: tuple[int, int, int] = (3, 32, 32)) -> Tensor:
    """Pictures with many levels, smooth as photographs are, exact in bytes."""
    chance = torch.Generator().manual_seed(3)
    rough = torch.rand(count, shape[0], 8, 8, generator=chance)
    smooth = F.interpolate(rough, shape[1:], mode="bilinear")
    return (smooth * 255).round().to(torch.uint8).float() / 255


def draws(count: int, number: int) -> Tensor:
    return torch.rand(count, number, generator=torch.Generator().manual_seed(5))


def each(x: Tensor, values: Tensor, function: Any) -> Tensor:
    """Apply a function of torchvision to the bytes of each picture."""
    pairs = zip((x * 255).round().to(torch.uint8), values.tolist(), strict=True)
    return torch.stack([function(picture, value) for picture, value in pairs]).float() / 255


COLOURS: dict[str, tuple[Any, Any]] = {
    "brighten": (op.brighten, lambda x, v: tv.adjust_brightness(x, 1 + v)),
    "contrast": (op.change_contrast, lambda x, v: tv.adjust_contrast(x, 1 + v)),
    "saturate": (op.saturate, lambda x, v: tv.adjust_saturation(x, 1 + v)),
    "sharpen": (op.sharpen, lambda x, v: tv.adjust_sharpness(x, 1 + v)),
    "stretch": (op.stretch_contrast, lambda x, v: tv.autocontrast(x)),
    "equalize": (op.equalize, lambda x, v: tv.equalize(x)),
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8)])
def test_operations_on_levels_are_those_of_torchvision(name: str, shape: tuple[int, int, int]) -> None:
    if name == "saturate" and shape[0] == 1:
        pytest.skip("pictures without colours have no saturation")
    ours, theirs = COLOURS[name]
    x, change = some(20, shape), draws(20, 1)[:, 0] * 1.98 - 0.99
    x[0] = 0.5  # one level only
    assert (
        ours(x.clone(), change) - each(x, change, theirs)
    ).abs().max() <= 2.01 / 255  # they round, and count in bytes


def test_posterize_and_solarize_are_those_of_torchvision() -> None:
    x, bits = some(20), (torch.arange(20) % 7).float()
    assert (op.posterize(x, bits) - each(x, 8 - bits, lambda x, v: tv.posterize(x, int(v)))).abs().max() < 1e-6
    strength = torch.linspace(0, 1, 20)
    wanted = each(x, (1 - strength) * 255, lambda x, v: tv.solarize(x, v))
    assert (op.solarize(x, strength) - wanted).abs().max() < 1e-6


MOVES: dict[str, tuple[Any, float, Any]] = {
    "rotate": (trivial.rotate, 135.0, lambda v: {"angle": v}),
    "move_across": (trivial.move_across, 20.0, lambda v: {"translate": [int(v), 0]}),
    "move_down": (trivial.move_down, 20.0, lambda v: {"translate": [0, int(v)]}),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_are_those_of_torchvision(name: str) -> None:
    ours, most, arguments = MOVES[name]
    x, strength = some(20), (draws(20, 1)[:, 0] * 2 - 1) * most
    neutral: dict[str, Any] = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    wanted = each(x, strength, lambda x, v: tv.affine(x, **(neutral | arguments(v))))
    same = ((ours(x, strength) - wanted).abs() < 1e-3).float().mean()
    assert same > 0.98  # some pixels lie between two


def test_shear_moves_rows_in_proportion_to_their_distance_from_the_centre() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[:, :, :, 4] = 1
    found = trivial.shear_across(x, torch.tensor([1.0]))[0, 0]
    assert torch.equal(found, torch.eye(9))
    assert torch.equal(trivial.shear_down(x.transpose(2, 3), torch.tensor([1.0]))[0, 0], torch.eye(9))


def test_affine_without_amounts_changes_nothing_and_rotates_as_torchvision() -> None:
    x = some(16)
    still = made("affine", degrees=0, translate=0, scale=0)
    assert (still(x.clone(), draws(16, 6)) - x).abs().max() < 1e-5
    u = torch.full((16, 6), 0.5)
    u[:, 0] = 1.0
    found = made("affine", degrees=30, translate=0, scale=0)(x.clone(), u)
    wanted = tv.affine(x, 30.0, [0, 0], 1.0, [0.0, 0.0], interpolation=tv.InterpolationMode.BILINEAR)
    assert (found - wanted).abs().max() < 1e-4


def test_crop_shifts_by_whole_pixels_and_fills_the_border() -> None:
    x, u = some(200), draws(200, 2)
    for fill, mode in (("zero", "constant"), ("reflect", "reflect"), ("mean", "constant")):
        found = made("crop", pad=3, fill=fill)(x.clone(), u)
        back = torch.tensor(INFO.mean).view(-1, 1, 1) if fill == "mean" else 0
        padded = F.pad(x - back, (3, 3, 3, 3), mode) + back
        places = set()
        for at, (row, column) in enumerate((u * 7).int().tolist()):
            assert torch.allclose(found[at], padded[at, :, row : row + 32, column : column + 32], atol=1e-6)
            places.add((row, column))
        assert len(places) == 49 or len(places) > 40
    with pytest.raises(ZooError, match="too large for mirroring"):
        made("crop", pad=32, fill="reflect")


def test_flips_go_both_ways() -> None:
    x = some(4)
    assert torch.equal(made("flip")(x, draws(4, 0)), x.flip(3))
    assert torch.equal(made("flip", axis="vertical")(x, draws(4, 0)), x.flip(2))


def test_cutout_fills_a_square_with_the_mean_colour() -> None:
    x = torch.ones(500, 3, 32, 32)
    hidden = (made("cutout", size=6)(x, draws(500, 2)) != 1).float()
    assert hidden.sum((1, 2, 3)).max() == 3 * 36
    assert torch.equal(hidden[:, 0], hidden[:, 2])
    assert (hidden.mean((0, 1)) > 0).all()
    found = made("cutout", size=64)(torch.ones(1, 3, 32, 32), torch.full((1, 2), 0.5))
    assert torch.allclose(found[0, :, 0, 0], torch.tensor(INFO.mean))


def test_colour_jitter_is_that_of_torchvision_where_nothing_is_clipped() -> None:
    x = some(12) * 0.2 + 0.4
    u = draws(12, 4)
    found = made("colour-jitter", brightness=0.2, contrast=0.3, saturation=0.4)(x.clone(), u)
    for at in range(12):
        one = tv.adjust_brightness(x[at], 1 + 0.2 * (2 * u[at, 0].item() - 1))
        one = tv.adjust_contrast(one, 1 + 0.3 * (2 * u[at, 1].item() - 1))
        one = tv.adjust_saturation(one, 1 + 0.4 * (2 * u[at, 2].item() - 1))
        assert (found[at] - one).abs().max() < 2e-3  # torchvision's grey has shares of three digits


def test_hue_turns_chroma_at_constant_luma(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1).repeat(8, 1, 4, 4)
    u = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))
    found = made("colour-jitter", brightness=0, contrast=0, saturation=0, hue=0.5)(x.clone(), u)
    assert (op.grey(found) - op.grey(x)).abs().max() < 1e-3
    assert (found - x).abs().max() > 0.1
    u[:, 3] = 0.5
    jitter = made("colour-jitter", brightness=0, contrast=0, saturation=0, hue=0.5)
    monkeypatch.delattr(torch.linalg, "inv")  # at every step it would wait for a GPU
    still = jitter(x.clone(), u)
    assert (still - x).abs().max() < 1e-5
    with pytest.raises(ZooError, match="hue needs pictures with 3 channels"):
        made("colour-jitter", INFO._replace(shape=(1, 8, 8), mean=(0.5,), std=(0.2,)), hue=0.1)


def test_mixup_draws_its_shares_from_a_beta_distribution() -> None:
    from scipy.stats import beta, kstest

    mix = made("mixup", alpha=0.4)
    x, other = torch.ones(2000, 1, 2, 2), torch.zeros(2000, 1, 2, 2)
    found, share = mix.mix(x, other, (torch.arange(2000)[:, None] + 0.5) / 2000)
    assert torch.equal(found[:, 0, 0, 0], share)
    assert kstest(share.numpy(), beta(0.4, 0.4).cdf).statistic < 0.001


def test_cutmix_counts_labels_by_the_area_that_is_seen() -> None:
    mix = made("cutmix")
    found, share = mix.mix(torch.ones(500, 3, 32, 32), torch.zeros(500, 3, 32, 32), draws(500, 3))
    assert set(found.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(found.mean((1, 2, 3)), share)
    assert share.min() < 0.3 and share.max() > 0.95


def test_trivial_augment_has_the_operations_of_the_paper() -> None:
    colour, plain = made("trivial-augment"), made("trivial-augment", INFO._replace(shape=(1, 8, 8)))
    assert (len(colour.choices), len(plain.choices)) == (14, 13)
    weak = made("trivial-augment", strength=0.1)
    x = some(600)
    (numbers,) = Augmenter([Step(colour)], 10).numbers("m", 0, torch.arange(600), 600, 0, torch.device("cpu"))
    change = [
        (Augmenter([Step(each)], 10)(Batch(x.clone(), torch.zeros(600).long()), numbers).x - x).abs().mean().item()
        for each in (colour, weak)
    ]
    assert change[0] > 2 * change[1] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_cuda_copies_without_waiting(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = Tensor.to, []

    def to(self: Tensor, *args: Any, **options: Any) -> Tensor:
        asked.append(options.get("non_blocking", False))
        return real(self, *args, **options)

    monkeypatch.setattr(Tensor, "to", to)
    augmenter, meta = Augmenter([Step(made(kind), 0.5)], 10), torch.device("meta")
    (numbers,) = augmenter.numbers("m", 0, torch.arange(8), 8, 0, meta)
    labels = torch.zeros(8, dtype=torch.int64, device=meta)
    found = augmenter(Batch(torch.zeros(8, 3, 32, 32, device=meta), labels), numbers)
    assert found.x.shape == (8, 3, 32, 32)
    assert asked and not any(asked), "other devices may read the memory of a temporary tensor after it was freed"


@needs_kornia
def test_an_operation_of_kornia_is_found_by_name_and_drawn_from_what_it_is_given() -> None:
    operation = made("kornia", operation="RandomAffine", options={"degrees": 20})
    x, u = some(16), draws(16, 1)
    before = torch.get_rng_state()
    first, second = operation(x.clone(), u), operation(x.clone(), u)
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), before)
    assert not torch.allclose(first, operation(x.clone(), 1 - u))
    for name, text in {
        "RandomSharpnes": "not in kornia.augmentation",
        "RandomMixUpV2": "mixes pictures",
        "RandomCrop": "mixes pictures|changes the size",
    }.items():
        with pytest.raises(ZooError, match=text):
            made("kornia", operation=name, options={"size": [4, 4]} if name == "RandomCrop" else {})
    with pytest.raises(ZooError, match="kornia:RandomAffine: "):
        made("kornia", operation="RandomAffine", options={"degree": 20})


def test_a_missing_kornia_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kornia", None)
    with pytest.raises(MissingError, match="needs the package kornia") as caught:
        made("kornia", operation="RandomSharpness")
    assert "pixel-zoo[kornia]" in caught.value.hint


def test_cross_entropy_of_mixed_labels_is_the_mean_by_shares() -> None:
    info = DataInfo.of((1, 4, 4), ("a", "b", "c"))
    model = LinearClassifier(info)
    x, share = torch.rand(5, 1, 4, 4), torch.rand(5)
    one, other = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1, 1, 0, 2, 0])
    targets = F.one_hot(one, 3) * share[:, None] + F.one_hot(other, 3) * (1 - share[:, None])
    found = model.losses(Batch(x, one, 1.0, targets))["loss"]
    parts = [F.cross_entropy(model(x), y, reduction="none") for y in (one, other)]
    torch.testing.assert_close(found, (parts[0] * share + parts[1] * (1 - share)).mean())

    class Own(LinearClassifier):
        def losses(self, batch: Batch) -> Any:
            return {"loss": F.cross_entropy(self(batch.x), batch.y)}

    assert model.takes_mixed_labels and not Own(info).takes_mixed_labels
    assert issubclass(Own, Classifier) and issubclass(type(made("mixup")), Mix)
