"""Further augmentations: draws that depend on seed, epoch and step only, probabilities, turns, and mixed labels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.core.types import Batch
from zoo.data import augmenter
from zoo.data.augment import Augment, Mix, OneOf
from zoo.data.augmenter import Augmenter, Step
from zoo.data.dataset import Pictures
from zoo.data.loader import Loader

CPU = torch.device("cpu")


class Paint(Augment):
    """Set a picture to its random number."""

    draws = 1

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        return u[:, :, None, None].expand_as(x).clone()


class Add(Augment):
    """Add a constant to all pictures."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        return x + self.value


class Quarter(Mix):
    """Keep a quarter of each picture."""

    def mix(self, x: Tensor, other: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        return x * 0.25 + other * 0.75, x.new_full((len(x),), 0.25)


def black(count: int) -> Pictures:
    return Pictures.of(torch.zeros(count, 4, 4, dtype=torch.uint8), torch.arange(count) % 3)


def levels(loader: Loader, epoch: int = 0, start: int = 0) -> list[Tensor]:
    return [batch.x[:, 0, 0, 0].clone() for batch in loader.epoch("model", epoch, start)]


def test_draws_depend_on_seed_epoch_and_step_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmenter, "MAX_NUMBERS", 50)  # several portions an epoch

    def loader(seed: int = 0) -> Loader:
        return Loader(black(60), 6, seed=seed, augmenter=Augmenter([Step(Paint(), 0.5), Step(Add(0.0))], 3, seed))

    whole = levels(loader())
    assert len(whole) == 10
    for start in (1, 4, 9):
        assert all(map(torch.equal, whole[start:], levels(loader(), start=start)))
    assert not torch.equal(whole[0], levels(loader(), epoch=1)[0])
    assert not torch.equal(whole[0], levels(loader(1))[0])
    assert (
        len({round(level, 6) for part in whole for level in part.tolist()}) > 20
    )  # a draw of its own for each picture


def test_a_probability_is_the_share_of_the_pictures() -> None:
    for p in (0.0, 0.25, 1.0):
        found = torch.cat(levels(Loader(black(4000), 100, augmenter=Augmenter([Step(Add(1.0), p)], 3))))
        assert abs(found.mean().item() - p) < 0.03


def test_augmentations_are_applied_in_their_order() -> None:
    class Double(Augment):
        def __call__(self, x: Tensor, u: Tensor) -> Tensor:
            return x * 2

    for steps, value in (([Add(0.25), Double()], 0.5), ([Double(), Add(0.25)], 0.25)):
        found = levels(Loader(black(4), 4, augmenter=Augmenter([Step(step) for step in steps], 3)))
        assert found[0].tolist() == [value] * 4


@pytest.mark.parametrize(("p", "cycle"), [(0.5, 2), (0.25, 4)])
def test_turns_alternate_so_that_each_picture_has_its_own_equally_often(p: float, cycle: int) -> None:
    loader = Loader(black(40), 40, augmenter=Augmenter([Step(Paint(), 0.0), Step(Add(1.0), p, alternate=True)], 3))
    turns = torch.zeros(cycle, 40)
    for epoch in range(cycle):
        order = loader.draw("model", epoch).order
        turns[epoch, order] = levels(loader, epoch)[0]
    assert turns.sum(0).tolist() == [1.0] * 40
    assert 0 < turns[0].sum() < 40


def test_one_of_several_is_applied_to_each_picture_equally_often() -> None:
    choice = OneOf([Add(0.0), Add(0.5), Paint()])
    found = torch.cat(levels(Loader(black(3000), 100, augmenter=Augmenter([Step(choice)], 3))))
    shares = [(found == value).float().mean().item() for value in (0.0, 0.5)]
    assert all(abs(share - 1 / 3) < 0.04 for share in shares)
    with pytest.raises(ValueError, match="nothing to choose"):
        OneOf([])


def test_labels_are_mixed_as_the_pictures_are() -> None:
    x = torch.tensor([0.0, 1.0, 0.5]).view(3, 1, 1, 1).expand(3, 1, 2, 2).clone()
    batch = Batch(x, torch.tensor([0, 1, 2]))
    steps = Augmenter([Step(Quarter())], 3)
    (numbers,) = steps.numbers("model", 0, torch.arange(3), 3, 0, CPU)
    found = steps(batch, numbers)
    assert found.x[:, 0, 0, 0].tolist() == [0.375, 0.25, 0.875]
    assert found.targets is not None
    assert found.targets.tolist() == [[0.25, 0, 0.75], [0.75, 0.25, 0], [0, 0.75, 0.25]]
    assert found.y.tolist() == [2, 0, 1]  # the larger share
    assert found.labels is found.targets
    assert batch.targets is None and batch.labels is batch.y


def test_only_some_labels_are_mixed_where_the_probability_says_so() -> None:
    steps = Augmenter([Step(Quarter(), 0.3), Step(Quarter(), 0.3)], 3)
    for batch in Loader(black(600), 100, augmenter=steps).epoch("model", 0):
        assert batch.targets is not None
        torch.testing.assert_close(batch.targets.sum(1), torch.ones(100))
        hard = (batch.targets.amax(1) == 1).float().mean()
        assert 0.4 < hard < 0.8  # 0.49, and mixtures of the same class
