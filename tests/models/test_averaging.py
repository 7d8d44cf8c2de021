"""Averages over views: which pictures are seen, and what is averaged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.views import VIEWS
from zoo.models.averaging import Averaged, count_views, mean_of_probabilities, views_of, with_views
from zoo.models.base import Classifier
from zoo.testing.toys import LinearClassifier, info_of, pictures_of

X = torch.arange(12.0).view(1, 1, 3, 4)


def test_views_are_mirrored_and_shifted_by_a_pixel_towards_each_corner() -> None:
    assert [count_views(name) for name in VIEWS] == [1, 2, 5, 10]
    assert [view.tolist() for view in views_of(X, "flip")] == [X.tolist(), X.flip(3).tolist()]
    shifted = list(views_of(X, "shift"))
    assert torch.equal(shifted[0], X)
    # Each holds the picture but for a row and a column, which the border's mirror image replaces.
    assert torch.equal(shifted[1][..., 1:, 1:], X[..., :-1, :-1])
    assert torch.equal(shifted[1][..., 0, 1:], X[..., 1, :-1])
    assert torch.equal(shifted[4][..., :-1, :-1], X[..., 1:, 1:])
    assert torch.equal(shifted[4][..., :-1, -1], X[..., 1:, 2])
    both = list(views_of(X, "flip+shift"))
    assert all(torch.equal(both[2 * place], view) for place, view in enumerate(shifted))
    assert all(torch.equal(both[2 * place + 1], view.flip(3)) for place, view in enumerate(shifted))


def test_a_picture_of_one_pixel_has_all_views() -> None:
    one = torch.ones(2, 3, 1, 1)
    assert all(torch.equal(view, one) for view in views_of(one, "flip+shift"))


def test_probabilities_are_averaged_not_scores() -> None:
    scores = [torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 1.0]])]
    mean = mean_of_probabilities(scores).exp()
    assert torch.allclose(mean, (scores[0].softmax(1) + scores[1].softmax(1)) / 2)
    assert not torch.allclose(mean, (scores[0] + scores[1]).div(2).softmax(1), atol=0.01)


@pytest.mark.parametrize("views", VIEWS[1:])
def test_any_classifier_is_averaged_over_views(views: str) -> None:
    info = info_of()
    model, x = LinearClassifier(info).eval(), pictures_of(info).floats
    averaged = with_views(model, views, "it")
    assert isinstance(averaged, Classifier)
    assert averaged.averaging == f"{count_views(views)} views ({views})"
    expected: Tensor = torch.stack([model(view).softmax(1) for view in views_of(x, views)]).mean(0)
    assert torch.allclose(averaged(x).exp(), expected, atol=1e-6)
    assert with_views(model, "none", "it") is model


def test_averages_over_draws_and_views_are_both_named() -> None:
    class Drawing(LinearClassifier):
        averaging = "8 region draws"

    assert Averaged(Drawing(info_of()), "flip").averaging == "8 region draws and 2 views (flip)"


def test_unknown_views_are_refused() -> None:
    with pytest.raises(ZooError, match="no views 'flop'; did you mean 'flip'"):
        with_views(LinearClassifier(info_of()), "flop", "it")
