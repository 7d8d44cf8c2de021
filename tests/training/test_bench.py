"""`zoo bench` runs both loops and its figures agree with each other; how fast they are is not a test's business."""

from __future__ import annotations

import pytest

import zoo


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_the_figures_agree() -> None:
    small = ("model.blocks=2", "model.first=8", "model.last=16", "train.batch=64")
    found = zoo.bench("cnn", *small, device="cpu", seconds=2)
    assert found.achieved_flops is not None
    assert found.training_flops_per_picture is not None
    assert found.pictures_per_second > 0
    assert found.eager_pictures_per_second > 0
    assert found.achieved_flops == pytest.approx(found.training_flops_per_picture * found.pictures_per_second, rel=1e-2)
    assert found.share_of_peak == pytest.approx(found.achieved_flops / found.matmul_peak_flops, abs=1e-2)
    assert found.training_flops_per_picture > 2 * (zoo.show("cnn", small).flops or 0), (
        "a training step has a backward pass too"
    )
