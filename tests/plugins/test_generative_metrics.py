"""Metrics of what generators make, against closed forms, brute force and other libraries."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg, ndimage
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel
from torch import Tensor
from torch.nn import functional as F
from zoo_metrics import distances, zoo_metrics

from zoo import DataInfo
from zoo.data.dataset import Pictures
from zoo.evaluation.metric_results import compute_metrics
from zoo.models.gallery import Gallery, JudgedImages
from zoo.registry.kinds import Outputs

KINDS = {kind.name: kind for kind in zoo_metrics()}
INFO = DataInfo.of((1, 8, 8), ("a", "b", "c"))
NOTHING: Any = None
BARE = Outputs(NOTHING, INFO, NOTHING, {}, None)
OF_GALLERY = ("reconstruction", "sharpness", "frechet", "kid", "manifold", "judged", "memorisation")


def pictures(count: int, seed: int = 0, shape: tuple[int, ...] = (1, 8, 8)) -> Tensor:
    """Smooth random pictures of 256 levels, float32 (N, C, H, W)."""
    rough = torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed)) * 255
    return (F.avg_pool2d(rough, 2, 1, ceil_mode=True, padding=1)[..., : shape[1], : shape[2]]).round() / 255


def normal(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def judged(
    x: Tensor | None = None, features: Tensor | None = None, scores: Tensor | None = None, y: Tensor | None = None
) -> JudgedImages:
    count = next(len(part) for part in (x, features, scores) if part is not None)
    return JudgedImages(
        torch.zeros(count, 1, 8, 8) if x is None else x,
        y,
        torch.zeros(count, 2) if features is None else features,
        scores,
    )


def gallery(
    real: JudgedImages, drawn: JudgedImages, other: JudgedImages | None = None, shown: JudgedImages | None = None
) -> Gallery:
    return Gallery("judge", real, other or real, shown or real, drawn, torch.zeros(1, 1, 8, 8, dtype=torch.uint8))


def figures(name: str, hung: Gallery, **options: Any) -> dict[str, Any]:
    """What a kind makes of a gallery, torch's generator left where it was."""
    before, kind = torch.get_rng_state(), KINDS[name]
    found = kind.compute(kind.spec(**options), replace(BARE, gallery=hung))
    assert torch.equal(before, torch.get_rng_state())
    assert found is not None
    return dict(found)


def whole() -> Gallery:
    """Everything that a gallery may hold."""

    def one(seed: int) -> JudgedImages:
        scores = normal(40, 3, seed).log_softmax(1)
        return JudgedImages(pictures(40, seed), torch.arange(40) % 3, normal(40, 6, seed), scores)

    return Gallery("judge", one(1), one(2), one(3), one(4), (pictures(100, 5) * 255).byte())


def test_they_apply_to_generators_alone() -> None:
    classifier = replace(BARE, scores=normal(4, 3).log_softmax(1), pictures=Pictures(NOTHING, torch.zeros(4).long()))
    for name in (*OF_GALLERY, "iwae"):
        kind = KINDS[name]
        assert kind.compute(kind.spec(), BARE) is None
        assert kind.compute(kind.spec(), classifier) is None


def test_of_a_single_picture_there_is_nothing_to_say() -> None:
    one = judged(pictures(1), normal(1, 3))
    for name in OF_GALLERY:
        assert KINDS[name].compute(KINDS[name].spec(), replace(BARE, gallery=gallery(one, one))) is None


def test_an_evaluation_holds_them_as_figures_and_always_the_same() -> None:
    found = compute_metrics(replace(BARE, gallery=whole()))
    assert not found.problems
    assert set(found.details) == {"samples_per_class"}
    assert found.metrics.keys() >= {"psnr", "ssim", "sharpness", "frechet", "kid", "recall", "judge_right", "copies"}
    assert all(math.isfinite(value) for value in found.metrics.values())
    assert compute_metrics(replace(BARE, gallery=whole())) == found


def test_no_kind_takes_the_name_of_another_ones_figure() -> None:
    names = [key for name in OF_GALLERY for key in figures(name, whole())]
    assert len(names) == len(set(names))
    assert not {"loss", "bound", "distortion", "rate", "mse", "accuracy", "macro_f1"} & set(names)


def similarity(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], sigma: float) -> float:
    """Structural similarity of two pictures (H, W), by scipy's filters."""

    def mean(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        smooth: np.ndarray[Any, Any] = ndimage.gaussian_filter(x, sigma, truncate=3.5, mode="mirror")
        return smooth

    a, b = mean(one), mean(other)
    cross, first, second = mean(one * other) - a * b, mean(one * one) - a * a, mean(other * other) - b * b
    light = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    return float((light * (2 * cross + 9e-4) / (first + second + 9e-4)).mean())


@pytest.mark.parametrize(("side", "sigma"), [(8, 1.5 * 8 / 22), (32, 1.5)])
def test_reconstructions_are_compared_picture_by_picture(side: int, sigma: float) -> None:
    real = pictures(30, 0, (1, side, side))
    shown = (real + 0.1 * torch.linspace(0, 1, 30)[:, None, None, None] * normal(30, side * side).view_as(real)).clamp(
        0, 1
    )
    shown[0] = 1 - real[0]
    found = figures("reconstruction", gallery(judged(real), judged(real), shown=judged(shown)))
    errors = (shown - real).double().square().flatten(1).mean(1)
    pairs = zip(real[:, 0].double().numpy(), shown[:, 0].double().numpy(), strict=True)
    assert found["psnr"] == pytest.approx((-10 * errors.log10()).mean().item(), abs=1e-4)
    assert found["ssim"] == pytest.approx(np.mean([similarity(*pair, sigma) for pair in pairs]), abs=1e-4)


def test_exact_reconstructions_are_finite() -> None:
    real = judged(pictures(700, 0, (3, 9, 4)))
    assert figures("reconstruction", gallery(real, real)) == pytest.approx({"psnr": 100, "ssim": 1}, abs=1e-5)


def test_tiny_pictures_are_compared_too() -> None:
    real = judged(pictures(3, 0, (1, 2, 2)))
    assert figures("reconstruction", gallery(real, real))["ssim"] == pytest.approx(1)
    assert set(figures("sharpness", gallery(real, real))) <= {"sharpness", "sharpness_reconstructions"}


def test_blurred_pictures_are_not_sharp_and_noisy_ones_too_sharp() -> None:
    real = pictures(50, 0, (3, 32, 32))
    blurred = torch.from_numpy(ndimage.gaussian_filter(real.numpy(), (0, 0, 1, 1)))
    noisy = real + 0.3 * torch.randn(real.shape, generator=torch.Generator().manual_seed(3))
    found = figures("sharpness", gallery(judged(real), judged(noisy), shown=judged(blurred)))
    assert found["sharpness"] > 2 and found["sharpness_laplacian"] > 2
    assert 0 < found["sharpness_reconstructions"] < 0.5 and 0 < found["sharpness_laplacian_reconstructions"] < 0.5
    same = figures("sharpness", gallery(judged(real), judged(real)))
    assert len(same) == 4 and set(same.values()) == {1.0}


def test_sharpness_is_absolute() -> None:
    """Half the contrast is a quarter of the energy, though the share of high frequencies is the same."""
    real = pictures(20)
    found = figures("sharpness", gallery(judged(real), judged(real / 2 + 0.25), shown=judged(1 - real)))
    assert found["sharpness"] == pytest.approx(0.25) and found["sharpness_laplacian"] == pytest.approx(0.25)
    assert found["sharpness_reconstructions"] == pytest.approx(1, abs=1e-5)


def test_sharpness_by_other_means() -> None:
    real, drawn = pictures(20, 0, (2, 9, 12)), pictures(20, 1, (2, 9, 12)) ** 2
    energy, laplacian = [], []
    for x in (drawn.double().numpy(), real.double().numpy()):
        spectrum = np.abs(np.fft.fft2(x)) ** 2
        frequency = np.sqrt(np.fft.fftfreq(9)[:, None] ** 2 + np.fft.fftfreq(12)[None] ** 2)
        energy.append(spectrum[..., frequency > 0.25].sum())
        edges = [ndimage.laplace(plane)[1:-1, 1:-1].var() for plane in x.reshape(-1, 9, 12)]
        laplacian.append(np.mean(edges))
    found = figures("sharpness", gallery(judged(real), judged(drawn)))
    assert found["sharpness"] == pytest.approx(energy[0] / energy[1], rel=1e-5)
    assert found["sharpness_laplacian"] == pytest.approx(laplacian[0] / laplacian[1], rel=1e-5)


def test_beside_flat_pictures_nothing_is_sharp() -> None:
    flat = judged(torch.full((5, 1, 8, 8), 0.5))
    kind = KINDS["sharpness"]
    assert kind.compute(kind.spec(), replace(BARE, gallery=gallery(flat, judged(pictures(5))))) is None


def direct(a: Tensor, b: Tensor) -> float:
    """The Frechet distance by a root of the product of the covariances."""
    one, other = a.double().numpy(), b.double().numpy()
    left, right = np.cov(one.T), np.cov(other.T)
    root = np.trace(linalg.sqrtm(left @ right).real)
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(left + right) - 2 * root)


def frechet(real: Tensor, drawn: Tensor) -> float:
    found: float = figures("frechet", gallery(judged(features=real), judged(features=drawn)))["frechet"]
    return found


@pytest.mark.parametrize(("count", "size", "room"), [(400, 20, 1e-9), (30, 60, 1e-5)])
def test_frechet_distance_by_the_formula(count: int, size: int, room: float) -> None:
    """In the second case covariances are singular, and the direct formula itself is off by as much."""
    real, drawn = normal(count, size).relu(), normal(count, size, 1).relu() * torch.linspace(0.1, 2, size) + 0.2
    assert frechet(real, drawn) == pytest.approx(direct(real, drawn), rel=room)
    assert frechet(drawn, real) == pytest.approx(frechet(real, drawn), rel=1e-9)
    assert frechet(real, real.flip(0)) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_agrees_with_torchmetrics() -> None:
    real, drawn = normal(300, 12), 2 * normal(300, 12, 1) + 1
    features: Any = torch.nn.Identity()
    features.num_features = 12
    from torchmetrics.image.fid import FrechetInceptionDistance

    other = FrechetInceptionDistance(features)
    other.update(real, real=True)
    other.update(drawn, real=False)
    assert frechet(real, drawn) == pytest.approx(other.compute().item(), rel=1e-5)


@pytest.mark.parametrize("count", [200, 10])
def test_frechet_distance_of_moved_and_stretched_features(count: int) -> None:
    real = normal(count, 30)
    assert frechet(real, real + 2) == pytest.approx(4 * 30)
    middle = real.mean(0)
    assert frechet(real, middle + 3 * (real - middle)) == pytest.approx(4 * real.var(0).sum().item(), rel=1e-5)


def test_which_sets_the_distances_compare() -> None:
    real, other, shown, drawn = (
        judged(features=normal(50, 4, seed) + shift) for seed, shift in ((0, 0), (1, 0), (0, 1), (0, 2))
    )
    hung = gallery(real, drawn, other, shown)
    found = figures("frechet", hung)
    assert found["frechet"] == pytest.approx(16) and found["frechet_reconstructions"] == pytest.approx(4)
    assert found["frechet_floor"] == pytest.approx(direct(real.features, other.features))
    assert set(found) == {"frechet", "frechet_reconstructions", "frechet_floor"}
    kernel = figures("kid", hung)
    assert set(kernel) == {"kid", "kid_floor"}
    assert kernel["kid"] > 10 * abs(kernel["kid_floor"])


def test_kernel_distance_by_whole_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "KERNEL_ROWS", 7)
    real, drawn = normal(50, 5), normal(40, 5, 1) + 0.3
    kernels = [polynomial_kernel(a, b, degree=3) for a, b in ((real, real), (drawn, drawn), (real, drawn))]
    own = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in kernels[:2]]
    expected = own[0] + own[1] - 2 * kernels[2].mean()
    found = figures("kid", gallery(judged(features=real), judged(features=drawn)))
    assert found["kid"] == pytest.approx(expected, rel=1e-5)


def test_kernel_distance_is_unbiased() -> None:
    rows = [
        figures("kid", gallery(judged(features=normal(20, 3, seed)), judged(features=normal(20, 3, seed + 1))))["kid"]
        for seed in range(0, 400, 2)
    ]
    assert min(rows) < 0 < max(rows)
    assert abs(np.mean(rows)) < 4 * np.std(rows) / math.sqrt(len(rows))


def by_hand(real: Tensor, made: Tensor, k: int) -> dict[str, float]:
    """Precision, recall, density and coverage from whole matrices."""
    own, reach = (np.sort(cdist(x, x), 1)[:, k] for x in (made.double(), real.double()))
    apart = cdist(real.double(), made.double())
    inside = apart < reach[:, None]
    return {
        "precision": inside.any(0).mean(),
        "recall": (apart < own[None]).any(1).mean(),
        "density": inside.sum(0).mean() / k,
        "coverage": inside.any(1).mean(),
    }


@pytest.mark.parametrize("k", [1, 5])
def test_manifold_by_whole_matrices(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    monkeypatch.setattr(distances, "DISTANCE_ROWS", 7)
    real, drawn, other = normal(60, 4), normal(60, 4, 1) * 1.2 + 0.5, normal(60, 4, 2)
    hung = gallery(judged(features=real), judged(features=drawn), judged(features=other))
    expected = by_hand(real, drawn, k) | {f"{name}_real": value for name, value in by_hand(real, other, k).items()}
    assert figures("manifold", hung, neighbours=k) == pytest.approx(expected)
    assert 0 < expected["precision"] < 1 and 0 < expected["recall"] < 1


def test_the_same_pictures_cover_all() -> None:
    real = normal(100, 30)
    found = figures("manifold", gallery(judged(features=real), judged(features=real.flip(0))))
    assert found == pytest.approx(dict.fromkeys(found, 1.0), abs=0.01) and len(found) == 8


def test_dropped_modes_cost_recall_and_coverage_but_no_precision() -> None:
    modes = 20 * F.one_hot(torch.arange(200) % 4, 6)
    real, other, drawn = (normal(200, 6, seed) + modes for seed in range(3))
    drawn = drawn[modes[:, 0] > 0].repeat(4, 1) + 0.3 * normal(200, 6, 9)
    found = figures("manifold", gallery(judged(features=real), judged(features=drawn), judged(features=other)))
    assert found["recall_real"] > 0.8 and found["coverage_real"] > 0.9 and found["precision_real"] > 0.8
    assert found["recall"] < 0.3 and found["coverage"] < 0.3 and found["precision"] > 0.7


def test_far_away_nothing_is_covered() -> None:
    real = normal(50, 3)
    found = figures("manifold", gallery(judged(features=real), judged(features=real + 100)))
    assert {found[name] for name in ("precision", "recall", "density", "coverage")} == {0.0}


def test_too_few_pictures_have_no_neighbours() -> None:
    kind, few = KINDS["manifold"], judged(features=normal(5, 3))
    assert kind.compute(kind.spec(), replace(BARE, gallery=gallery(few, few))) is None


def scores(*rows: list[float]) -> Tensor:
    return torch.tensor(rows).log()


def test_what_the_judge_says() -> None:
    real = judged(scores=scores([0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]), y=torch.tensor([0, 1, 0]))
    shown = judged(scores=scores([0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]), y=real.y)
    drawn = judged(scores=scores([0.5, 0.5, 0], [0.5, 0.5, 0], [1, 0, 0]), y=torch.tensor([2, 2, 0]))
    found = figures("judged", gallery(real, drawn, shown=shown))
    assert found == pytest.approx(
        {
            "judge_accuracy": 2 / 3,
            "judge_right": 1 / 3,
            "judge_right_reconstructions": 2 / 3,
            "judge_confidence": 2 / 3,
            "judge_confidence_real": 0.8,
            "judge_entropy": 2 / 3 * math.log(2),
            "judge_entropy_real": -0.8 * math.log(0.8) - 0.2 * math.log(0.1),
        }
    )


def test_samples_of_no_class_are_spread_over_the_classes() -> None:
    real = judged(scores=scores([1, 0, 0], [0, 1, 0], [0, 0, 1]), y=torch.arange(3))
    dropped = judged(scores=scores([1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]))
    found = figures("judged", gallery(real, dropped))
    assert found["judge_diversity"] == pytest.approx(2 / 3)
    assert "judge_right" not in found
    assert figures("judged", gallery(real, real._replace(y=None)))["judge_diversity"] == pytest.approx(1)


def test_a_judge_that_does_not_know_the_classes_says_nothing() -> None:
    kind, some = KINDS["judged"], judged(features=normal(4, 3), y=torch.arange(4))
    assert kind.compute(kind.spec(), replace(BARE, gallery=gallery(some, some))) is None


def beside(train: Tensor, real: Tensor, drawn: Tensor) -> dict[str, Any]:
    hung = replace(gallery(judged(real), judged(drawn)), train=(train * 255).round().byte())
    return figures("memorisation", hung)


def test_copies_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "TRAIN_CHUNK", 30)
    train, real, drawn = pictures(100), pictures(200, 1), pictures(200, 2)
    fresh = beside(train, real, drawn)
    assert fresh["memorisation"] == pytest.approx(1, abs=0.1) and fresh["copies"] <= 0.05
    assert beside(train, real, train.flip(0)) == {"memorisation": 0.0, "copies": 1.0}
    near = (train + 0.004 * normal(100, 64).view_as(train)).clamp(0, 1)
    assert beside(train, real, near)["copies"] == 1 and beside(train, real, near)["memorisation"] < 0.1
    drawn[:100] = train
    assert beside(train, real, drawn)["copies"] == pytest.approx(0.5 + fresh["copies"] / 2, abs=0.02)


def test_nearest_by_whole_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "TRAIN_CHUNK", 30)
    train, real, drawn = pictures(100), pictures(41, 1), pictures(61, 2) * 0.7
    apart = [cdist(x.flatten(1), train.flatten(1)).min(1) for x in (drawn, real)]
    found = beside(train, real, drawn)
    assert found["memorisation"] == pytest.approx(np.median(apart[0]) / np.median(apart[1]), rel=1e-5)
    assert found["copies"] == pytest.approx((apart[0] <= np.quantile(apart[1], 0.01)).mean())


def test_pictures_that_were_trained_on_are_no_measure_of_memory() -> None:
    train = pictures(50)
    assert beside(train, train, torch.cat([train[:10], pictures(30, 1)])) == {"copies": 0.25}
