"""A run is called on pictures of any kind, and gives the probabilities of all classes, or features."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.core.errors import DataError, ZooError
from zoo.runs.run import Run

pytestmark = pytest.mark.usefixtures("home")
TINY_VAE = ("data.limit=100", "train.epochs=1", "model.latent=4")


@pytest.fixture
def digits(run: Path) -> torch.Tensor:
    """Some test pictures of the run, uint8 (N, 1, 8, 8)."""
    opened = zoo.load(run)
    return torch.as_tensor(opened.entry.data.kind.load(opened.entry.data.spec).train.x[:6])


def expected(run: Path, x: torch.Tensor) -> torch.Tensor:
    """The probabilities that the model itself gives."""
    with torch.inference_mode():
        return torch.softmax(zoo.load(run).model()(x.float() / 255), 1)


def forms(x: torch.Tensor, folder: Path) -> dict[str, Any]:
    """The same pictures in every form in which a caller may have them."""
    grey = x[:, 0].numpy()
    images = [Image.fromarray(picture) for picture in grey]
    for number, image in enumerate(images):
        (folder / "some").mkdir(exist_ok=True)
        image.save(folder / "some" / f"{number}.png")
    paths = sorted((folder / "some").iterdir())
    encoded = []
    for image in images:
        image.save(file := BytesIO(), "PNG")
        encoded.append(file.getvalue())
    return {
        "paths": paths,
        "strings": [str(path) for path in paths],
        "a folder": folder / "some",
        "an array of strings": np.array([str(path) for path in paths]),
        "images": images,
        "open files": [Image.open(path) for path in paths],
        "bytes of files": encoded,
        "NHWC": x.permute(0, 2, 3, 1).numpy(),
        "NCHW": x.numpy(),
        "NHW": grey,
        "read-only": np.frombuffer(x.numpy().tobytes(), np.uint8).reshape(-1, 8, 8),
        "upside down twice": grey[:, ::-1][:, ::-1],
        "float64": grey / 255,
        "float32": x.numpy().astype("f4") / 255,
        "integers": grey.astype(int),
        "a tensor": x,
        "a tensor of floats": x.float() / 255,
        "a tensor that needs gradients": (x.float() / 255).requires_grad_(),
        "a tensor, channels last": x.permute(0, 2, 3, 1),
        "a list of arrays": list(grey),
        "a generator": (picture for picture in x),
        "in colour": np.repeat(grey[..., None], 3, 3),
        "with alpha": np.concatenate([np.repeat(grey[..., None], 3, 3), np.full((*grey.shape, 1), 255, "u1")], 3),
        "all sorts": [paths[0], images[1], grey[2], x[3], x[4].numpy()[0], encoded[5]],
    }


def test_every_form_gives_the_probabilities_of_the_model(run: Path, digits: torch.Tensor, home: Path) -> None:
    model, right = zoo.load(run), expected(run, digits)
    for name, form in forms(digits, home).items():
        found = model(form, "cpu")
        assert torch.allclose(found.probabilities, right, atol=0.02), name
        assert found.labels == [found.classes[index] for index in right.argmax(1).tolist()], name


@pytest.mark.parametrize("form", ["HWC", "CHW", "HW", "tensor", "path", "image"])
def test_one_picture_is_a_list_of_one(run: Path, digits: torch.Tensor, form: str) -> None:
    grey = digits[0, 0].numpy()
    Image.fromarray(grey).save("one.png")
    one: Any = {
        "HWC": grey[..., None],
        "CHW": grey[None],
        "HW": grey,
        "tensor": digits[0],
        "path": "one.png",
        "image": Image.fromarray(grey),
    }[form]
    (found,) = zoo.load(run)(one, "cpu")
    assert torch.allclose(found.probabilities, expected(run, digits[:1])[0], atol=0.02)
    assert found.path == ("one.png" if form == "path" else "0")


def test_a_prediction_has_names_ranks_and_a_document(run: Path, digits: torch.Tensor) -> None:
    found = zoo.load(run)(digits, "cpu")
    assert len(found) == 6 and found.classes == tuple("0123456789")
    assert found.probabilities.shape == (6, 10) and torch.allclose(found.probabilities.sum(1), torch.ones(6))
    first = found[0]
    ranked = first.top(3)
    assert ranked == found.top(3)[0] and [first.label, first.probability] == [*ranked[0]]
    assert [one.probability for one in ranked] == sorted(first.probabilities.tolist())[:-4:-1]
    assert len(first.top(99)) == 10 and not first.top(0)
    assert found.to_dict()["predictions"][0] == first.to_dict()
    assert first.to_dict()["probabilities"] == first.probabilities.tolist()
    assert repr(found).startswith(f"<Predictions of 6 pictures: {first.label} {first.probability:.4f}, ")
    assert f"{first.label} {first.probability:.4f}" in first._repr_html_() in found[:1]._repr_html_()
    with pytest.raises(AttributeError):
        found.classes = ()  # type: ignore[misc]


def test_no_picture_gives_no_prediction(run: Path) -> None:
    found = zoo.load(run)([], "cpu")
    assert len(found) == 0 and found.labels == [] and repr(found) == "<Predictions of 0 pictures>"
    assert "0 pictures" in found._repr_html_()


def test_other_sizes_are_resized_as_files_are(run: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    Image.fromarray(pixels).save("odd.png")
    model = zoo.load(run)
    by_file = model("odd.png", "cpu").probabilities
    assert torch.equal(model(pixels, "cpu").probabilities, by_file)
    assert torch.equal(model(pixels.transpose(2, 0, 1), "cpu").probabilities, by_file)
    assert torch.equal(model(pixels / 255, "cpu").probabilities, by_file)


@pytest.mark.parametrize(
    ("pictures", "text"),
    [
        (np.full((8, 8), 2.0), "floats of up to 2, not 1; divide them by 255"),
        (np.full((8, 8), -0.5), "negative values, down to -0.5"),
        (np.full((8, 8), np.nan), "not finite"),
        (np.full((8, 8), 300), "integers of up to 300, not 255"),
        (np.zeros((8, 8), complex), "complex128 holds no pixels"),
        (np.zeros((5, 7, 9), np.uint8), "(5, 7, 9) has neither its first nor its last dimension"),
        (np.zeros((3, 8, 8), np.uint8), "may be three grey pictures, or one in colour; add an axis"),
        (np.zeros((1, 1, 1, 8, 8), np.uint8), "holds no pictures; give (N, H, W, C)"),
        (np.zeros((1, 0, 8), np.uint8), "holds pictures without pixels"),
        ([1, 2], "int is no picture; give a path"),
        (None, "NoneType is no picture"),
        ({"a": "b"}, "dict is no picture"),
        ("absent.png", "absent.png: No such file"),
        (b"no picture", "not a picture of a known format"),
        (["empty"], "empty has no pictures"),
    ],
)
def test_what_is_no_picture_is_said_in_one_line(run: Path, pictures: Any, text: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(ZooError) as error:
        zoo.load(run)(pictures, "cpu")
    assert text in str(error.value) and "\n" not in str(error.value)


def test_features_are_the_inputs_of_the_last_layer(run: Path, digits: torch.Tensor) -> None:
    model = zoo.load(run)
    found = model.embed(digits, "cpu")
    last = [layer for layer in model.model().modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.inference_mode():
        scores = last(found).softmax(1)
    assert found.dtype == torch.float32 and torch.allclose(scores, expected(run, digits), atol=0.02)
    with pytest.raises(ZooError, match="no pictures to embed"):
        model.embed([])


def test_a_generator_gives_codes_and_no_classes(digits: torch.Tensor) -> None:
    generator = zoo.load(zoo.train("vae", *TINY_VAE, device="cpu").run)
    with torch.inference_mode():
        codes = generator.model().codec.encode(digits.float() / 255).mean  # type: ignore[union-attr, operator]
    assert torch.allclose(generator.embed(digits, "cpu"), codes, atol=0.05)
    with pytest.raises(ZooError, match=r"no classes to predict; `.embed"):
        generator(digits)


def test_the_model_is_loaded_once(run: Path, digits: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    model, loads = zoo.load(run), list[object]()
    load = Run.model

    def counted(self: Run, *words: Any) -> Any:
        loads.append(words)
        return load(self, *words)

    monkeypatch.setattr(Run, "model", counted)
    assert torch.equal(model(digits, "cpu").probabilities, model(digits, "cpu").probabilities)
    model.embed(digits, "cpu")
    assert len(loads) == 1


def test_a_result_is_an_ordinary_tensor(run: Path, digits: torch.Tensor) -> None:
    model = zoo.load(run)
    for found in (model(digits, "cpu").probabilities, model.embed(digits, "cpu")):
        assert not found.is_inference() and not torch.is_inference_mode_enabled()


def test_a_damaged_open_image_is_said(run: Path) -> None:
    Image.effect_noise((64, 64), 50).convert("RGB").save(file := BytesIO(), "PNG")
    with pytest.raises(DataError, match="the picture cannot be read"):
        zoo.load(run)(Image.open(BytesIO(file.getvalue()[:2000])), "cpu")
