"""Metrics of the samples of each class, of mixtures and of edits, against brute force and made-up cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor
from zoo_metrics import zoo_metrics

from zoo import DataInfo
from zoo.models.gallery import EditedImages, Gallery, JudgedImages, MixedImages, Sweep
from zoo.registry.kinds import Outputs

KINDS = {kind.name: kind for kind in zoo_metrics()}
NAMES = ("a", "b", "c", "d")
NOTHING: Any = None
BARE = Outputs(NOTHING, DataInfo.of((1, 8, 8), NAMES), NOTHING, {}, None)


def random_judged(y: Tensor | None, seed: int, count: int, size: int = 12) -> JudgedImages:
    """Random pictures, features and scores."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, 8, 8, generator=chance)
    scores = torch.randn(count, len(NAMES), generator=chance).log_softmax(1)
    return JudgedImages(x, y, torch.randn(count, size, generator=chance) + seed, scores)


def gallery_of(y: Tensor, other: Tensor, size: int = 12) -> Gallery:
    real, drawn = random_judged(y, 0, len(y), size), random_judged(y, 1, len(y), size)
    return Gallery(
        "judge", real, random_judged(other, 2, len(other), size), real, drawn, torch.zeros(1, 1, 8, 8).byte()
    )


def figures(name: str, gallery: Gallery) -> Any:
    kind = KINDS[name]
    return kind.compute(kind.spec(), replace(BARE, gallery=gallery))


def direct(a: Tensor, b: Tensor) -> float:
    """The Frechet distance by a root of the product of the covariances."""
    one, other = a.double().numpy(), b.double().numpy()
    left, right = np.cov(one.T), np.cov(other.T)
    root = np.trace(linalg.sqrtm(left @ right).real)
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(left + right) - 2 * root)


@pytest.mark.parametrize("size", [3, 40])
def test_figures_of_a_class_are_of_its_pictures_alone(size: int) -> None:
    """With 40 features and about 20 pictures of a class its covariance has no full rank."""
    y = torch.arange(62) % 3
    gallery = gallery_of(y, torch.arange(62) % 3, size)
    rows = figures("classwise", gallery)["samples_per_class"]
    assert list(rows) == ["a", "b", "c"]
    for label, name in enumerate(rows):
        real, drawn, other = (part.at(y == label) for part in (gallery.real, gallery.samples, gallery.other))
        row = rows[name]
        assert row["pictures"] == len(real.x) == int((y == label).sum())
        assert row["frechet"] == pytest.approx(direct(real.features, drawn.features), rel=1e-4)
        assert row["frechet_floor"] == pytest.approx(direct(real.features, other.features), rel=1e-4)
        assert drawn.scores is not None and real.scores is not None
        assert row["judge_right"] == (drawn.scores.argmax(1) == label).double().mean()
        assert row["judge_right_real"] == (real.scores.argmax(1) == label).double().mean()
        assert row["judge_confidence"] == pytest.approx(drawn.scores.exp().amax(1).mean().item(), rel=1e-5)
        assert row["judge_confidence_real"] == pytest.approx(real.scores.exp().amax(1).mean().item(), rel=1e-5)
        apart, between = torch.cdist(real.features, real.features), torch.cdist(real.features, drawn.features)
        reach = apart.sort(1).values[:, 5:6]
        assert row["coverage"] == pytest.approx((between < reach).any(1).double().mean().item())


def test_distances_of_a_class_are_of_equally_many_pictures() -> None:
    gallery = gallery_of(torch.arange(40) % 2, torch.tensor([0] * 7 + [1] * 33))
    real, drawn, other = (part.at(part.y == 0) for part in (gallery.real, gallery.samples, gallery.other))  # type: ignore[arg-type]
    row = figures("classwise", gallery)["samples_per_class"]["a"]
    assert row["frechet"] == pytest.approx(direct(real.features, drawn.features[:7]), rel=1e-4)
    assert row["frechet_floor"] == pytest.approx(direct(real.features, other.features), rel=1e-4)


def test_few_pictures_of_a_class() -> None:
    y = torch.tensor([0] * 10 + [1] * 2 + [2])
    rows = figures("classwise", gallery_of(y, torch.tensor([0] * 12 + [1])))["samples_per_class"]
    assert list(rows) == ["a", "b"]
    assert rows["b"]["pictures"] == 2
    assert rows["b"]["frechet"] is rows["b"]["frechet_floor"] is rows["b"]["coverage"] is None
    assert rows["b"]["judge_right"] is not None
    assert figures("classwise", gallery_of(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]))) is None


def test_flat_pictures_have_no_sharpness_to_compare_with() -> None:
    gallery = gallery_of(torch.zeros(8).long(), torch.zeros(8).long())
    flat = replace(gallery, real=gallery.real._replace(x=torch.ones(8, 1, 8, 8)))
    assert figures("classwise", flat)["samples_per_class"]["a"]["sharpness"] is None


def test_without_classes_there_is_nothing_to_say() -> None:
    gallery = gallery_of(torch.arange(8) % 2, torch.arange(8) % 2)
    for part in (gallery.samples._replace(y=None), gallery.samples._replace(scores=None)):
        assert figures("classwise", replace(gallery, samples=part)) is None
    for name in ("mixtures", "edits"):
        assert figures(name, gallery) is None


def judged(*shares: list[float]) -> JudgedImages:
    """Pictures in which the judge sees the classes with these probabilities."""
    count = len(shares)
    return JudgedImages(torch.zeros(count, 1, 8, 8), None, torch.zeros(count, 2), torch.tensor(shares).log())


def mixtures(drawn: JudgedImages, sweep: Sweep) -> Any:
    real = judged([0.5, 0.1, 0.2, 0.2], [0.1, 0.4, 0.4, 0.1])
    halves = judged([0.2, 0.3, 0.3, 0.2], [0.85, 0.05, 0.05, 0.05])
    mixed = MixedImages(torch.tensor([[0, 2], [1, 2]]), drawn, real, halves, sweep)
    return figures("mixtures", replace(gallery_of(torch.arange(8) % 2, torch.arange(8) % 2), mixed=mixed))


def way(one: list[float], other: list[float], noise: float = 0.0) -> Sweep:
    """A way from the first class to the second with these mean probabilities."""
    shares = torch.tensor([one, other, [0.01] * len(one), [0.01] * len(one)]).T[None, :, None].repeat(1, 1, 64, 1)
    # up in every other picture and down in the rest, the other way round at the next weight: the means stay
    places = torch.arange(len(one))[:, None, None] + torch.arange(64)[:, None]
    chance = noise * (1 - 2 * (places % 2))
    return Sweep(torch.tensor([[0, 1]]), torch.linspace(0, 1, len(one)), (shares + chance).clamp(min=1e-6).log())


FAR = way([0.9, 0.5, 0.1], [0.1, 0.5, 0.9])


def test_mass_and_both_are_of_the_two_classes_of_each_picture() -> None:
    found = mixtures(judged([0.4, 0.1, 0.3, 0.2], [0.05, 0.55, 0.05, 0.35]), FAR)
    assert found["mixture_mass"] == pytest.approx((0.7 + 0.6) / 2)
    assert found["mixture_both"] == 0.5
    assert found["mixture_mass_real"] == pytest.approx((0.7 + 0.8) / 2)
    assert found["mixture_both_real"] == 1
    assert found["mixture_both_halves"] == 0.5


@pytest.mark.parametrize(
    ("sweep", "share"),
    [
        (FAR, 1),
        (way([0.9, 0.5, 0.1], [0.1, 0.5, 0.9], noise=0.05), 1),
        (way([0.5, 0.5, 0.5], [0.4, 0.4, 0.4], noise=0.05), 0),
        (way([0.1, 0.5, 0.9], [0.9, 0.5, 0.1]), 0),
        (way([0.9, 0.5, 0.1], [0.1, 0.6, 0.3]), 0),
        (way([0.9, 0.4, 0.6, 0.1], [0.1, 0.2, 0.3, 0.9]), 0),
        (way([0.9, 0.905, 0.1], [0.1, 0.095, 0.9]), 1),
        (way([0.6, 0.63, 0.2], [0.2, 0.5, 0.6], noise=0.1), 1),
        (way([0.9, 0.5, 0.85], [0.1, 0.5, 0.9]), 0),
    ],
    ids=["rises", "noisy", "deaf", "backwards", "falls again", "comes back", "too little", "chance", "stays"],
)
def test_ways_that_are_monotone(sweep: Sweep, share: float) -> None:
    assert mixtures(judged([0.25] * 4, [0.25] * 4), sweep)["mixture_monotone"] == share


def test_edits_against_numpy() -> None:
    y, goal = torch.arange(30) % 4, (torch.arange(30) + 1) % 4
    source, edited, uninformed, fresh = (random_judged(goal, seed, 30) for seed in range(4))
    edited = edited._replace(x=(source.x + edited.x) / 2)
    same = source.x.clone()
    same[3, 0, 2, 2] += 0.25
    whole = EditedImages(source._replace(y=y), edited, uninformed, fresh, same, source.x)
    found = figures("edits", replace(gallery_of(y, y), edited=whole))
    ink = [part.x.double().mean((1, 2, 3)).numpy() for part in (source, edited, fresh)]
    assert found["edit_correlation"] == pytest.approx(np.corrcoef(ink[0], ink[1])[0, 1])
    assert found["edit_correlation_fresh"] == pytest.approx(np.corrcoef(ink[0], ink[2])[0, 1])
    assert found["edit_same"] == pytest.approx(0.25)
    assert edited.scores is not None and uninformed.scores is not None
    assert found["edit_right"] == (edited.scores.argmax(1) == goal).double().mean()
    assert found["edit_right_from_none"] == (uninformed.scores.argmax(1) == goal).double().mean()
    flat = replace(gallery_of(y, y), edited=whole._replace(fresh=fresh._replace(x=torch.ones_like(fresh.x))))
    assert "edit_correlation_fresh" not in figures("edits", flat)
