"""The prior `transformer`: causal, normalised, conditional, and sampled as its densities say."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from zoo_priors.spec import TransformerSpec
from zoo_priors.transformer import Transformer, draw

from zoo import CodeInfo
from zoo.core.errors import ZooError
from zoo.models.prior import Term
from zoo.registry.catalog import catalog


def make(shape: tuple[int, ...] = (2, 2), words: int = 3) -> Transformer:
    """A small one whose weights are random throughout, in float64."""
    torch.manual_seed(0)
    prior = Transformer(TransformerSpec(width=16, layers=2, heads=2), CodeInfo(shape, words, condition=3))
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return prior.double().eval()


def everything(prior: Transformer) -> Tensor:
    """All codes of a small alphabet."""
    words = list(product(range(prior.words), repeat=prior.code.size))
    return torch.tensor(words).reshape(-1, *prior.code.shape)


@pytest.mark.parametrize("place", range(6))
def test_a_word_changes_what_is_said_of_later_ones_only(place: int) -> None:
    prior = make((2, 3), 5)
    words = torch.randint(5, (4, 6))
    other = words.clone()
    other[:, place] = (other[:, place] + 1) % 5
    differs = (prior.log_probs(words) != prior.log_probs(other)).any(2).all(0)
    assert differs.tolist() == [later > place for later in range(6)]


@pytest.mark.parametrize("condition", [None, [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])
def test_probabilities_of_all_codes_sum_to_1(condition: list[float] | None) -> None:
    prior = make()
    codes = everything(prior)
    given = None if condition is None else torch.tensor([condition]).expand(len(codes), -1)
    assert prior.log_prob(codes, given).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_cache_changes_no_sample(temperature: float) -> None:
    prior = make((3, 3), 7)
    condition = torch.eye(3)[torch.arange(50) % 3]
    torch.manual_seed(1)
    found = prior.sample(50, condition, temperature)
    torch.manual_seed(1)
    words = torch.zeros(50, 9, dtype=torch.int64)
    for place in range(9):
        scores = prior.log_probs(words, condition)[:, place]
        words[:, place] = draw(scores, temperature)[:, 0]
    assert torch.equal(found, words.reshape(50, 3, 3))


@pytest.mark.parametrize("conditional", [True, False])
def test_samples_are_as_frequent_as_they_are_likely(conditional: bool) -> None:
    prior, count = make(), 100_000
    codes = everything(prior)
    one = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    likely = prior.log_prob(codes, one.expand(len(codes), -1) if conditional else None).exp()
    found = prior.sample(count, one.expand(count, -1) if conditional else None).flatten(1)
    index = (found * torch.tensor([27, 9, 3, 1])).sum(1)
    frequency = torch.bincount(index, minlength=81) / count
    errors = (frequency - likely) / (likely * (1 - likely) / count).sqrt()
    assert errors.abs().max() < 4.5
    assert likely.max() > 2 / 81


def test_a_low_temperature_gives_the_likeliest_word() -> None:
    prior = make()
    found = prior.sample(20, temperature=0)
    first = prior.log_probs(found.flatten(1))
    assert torch.equal(first.argmax(2), found.flatten(1))


def test_a_mixture_of_classes_is_the_mean_of_what_they_add() -> None:
    prior = make()
    classes = prior.context(3, torch.eye(3, dtype=torch.float64))
    mixed = prior.context(1, torch.tensor([[0.25, 0.75, 0.0]], dtype=torch.float64))
    assert torch.allclose(mixed[0], 0.25 * classes[0] + 0.75 * classes[1])


def test_hidden_labels_train_what_samples_without_a_condition() -> None:
    prior = make()
    prior.train()
    hidden = (prior.context(4000, torch.eye(3).repeat(4000, 1)[:4000]) == prior.unconditional).all(2).double().mean()
    assert hidden.item() == pytest.approx(0.1, abs=0.03)
    prior.eval()
    assert not (prior.context(100, torch.eye(3)[torch.arange(100) % 3]) == prior.unconditional).any()
    assert (prior.context(5, None) == prior.unconditional).all()


def test_all_words_are_equally_likely_before_training() -> None:
    prior = Transformer(TransformerSpec(), CodeInfo((2, 2), 10, condition=3))
    found = prior.log_prob(torch.randint(10, (5, 2, 2)))
    assert torch.allclose(found, -4 * torch.tensor(10.0).log().expand(5))


def test_it_learns_codes_of_their_classes() -> None:
    torch.manual_seed(0)
    prior = Transformer(TransformerSpec(width=16, layers=1, heads=2, dropout=0), CodeInfo((2, 2), 3, condition=3))
    optimizer = torch.optim.AdamW(prior.parameters(), lr=0.02)
    labels = torch.arange(60) % 3
    codes, condition = labels.view(-1, 1, 1).expand(-1, 2, 2), torch.eye(3)[labels]
    for _ in range(60):
        loss = -prior.log_prob(codes, condition).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    prior.eval()
    assert (prior.sample(60, condition) == codes).double().mean() > 0.95
    assert set(prior.sample(60)[:, 0, 0].tolist()) == {0, 1, 2}


def test_continuous_codes_are_refused() -> None:
    with pytest.raises(ZooError, match=r"code words.*prior\.kind"):
        Transformer(TransformerSpec(), CodeInfo((8,)))


@pytest.mark.parametrize("name", ["normal", "mixture", "vamp"])
def test_priors_over_continuous_codes_refuse_words(name: str) -> None:
    kind = catalog().find("prior", name)[1]
    with pytest.raises(ZooError, match="64 code words"):
        kind.build(kind.spec(), CodeInfo((4, 4), 64))


def test_a_product_of_densities_is_sampled_as_it_says() -> None:
    prior, codes = make((1, 2)), everything(make((1, 2)))
    a, b = (torch.eye(3, dtype=torch.float64)[[index]] for index in (0, 1))
    terms = [Term(1.4, a), Term(0.3, b), Term(-0.7, None)]
    torch.manual_seed(0)
    drawn = prior.blend(40_000, [Term(w, None if t is None else t.expand(40_000, -1)) for w, t in terms])
    found = torch.stack([(drawn == code).all(-1).all(-1).double().mean() for code in codes])
    expected = torch.ones(len(codes), dtype=torch.float64)
    for place in range(2):  # the product is of what each says of the next word
        scores = sum(w * prior.log_probs(codes.flatten(1), None if t is None else t.expand(9, -1)) for w, t in terms)
        assert isinstance(scores, Tensor)
        expected *= scores.softmax(-1)[torch.arange(9), place, codes.flatten(1)[:, place]].detach()
    assert (found - expected).abs().max() < 0.01


def test_width_must_be_a_multiple_of_heads() -> None:
    with pytest.raises(ValueError, match="multiple of heads, 3"):
        TransformerSpec(width=64, heads=3)
