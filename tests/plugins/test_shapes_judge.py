"""The judge and the figures of `shapes`: what is read in real pictures, and what is found of a painter whom we know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from zoo_data import shapes
from zoo_data.shapes.draw import BACKGROUNDS, draw
from zoo_data.shapes.grammar import COLOURS, FORWARD, PLACES, SHAPES, SIZES, Scene, parse
from zoo_data.shapes.judge import HEADS, build_judge, load_reader
from zoo_data.shapes.metrics import attribute_shares, compute, is_right, shows_objects
from zoo_data.shapes.scenes import CELLS, RADII, Scenes, attributes, random_scenes
from zoo_data.shapes.training import reading_loss, train_reader, training_batch

import zoo
from zoo import CodeInfo, DataInfo
from zoo.core.errors import ZooError
from zoo.data import Pictures
from zoo.evaluation.metric_results import compute_metrics
from zoo.models import Gallery, Generator, JudgedImages, LatentModel, Posterior, TextEncoder, VectorPrior
from zoo.registry import Outputs
from zoo.registry.listing import load_entry

LOOKS = len(SHAPES) * len(COLOURS) * len(SIZES)
CODE = 2 * LOOKS + len(PLACES) + len(FORWARD)


def scene(text: str) -> Scene:
    found = parse(text)
    assert found
    return found


@cache
def real() -> tuple[Scenes, Tensor]:
    """2,000 pictures as of a test split, on every background."""
    scenes = random_scenes(0, 2, 2000, 0.6, 0.25)
    return scenes, torch.from_numpy(draw(scenes, BACKGROUNDS)).permute(0, 3, 1, 2) / 255


def test_real_pictures_are_read_right() -> None:
    scenes, x = real()
    with torch.inference_mode():
        read = load_reader().read(x)
    for name, values in attributes(scenes).items():
        wanted = torch.from_numpy(values)
        right = (read[name].argmax(1) == wanted)[wanted >= 0].double().mean().item()
        assert right >= 0.99, name


def test_real_pictures_show_what_their_captions_say_also_where_that_is_new() -> None:
    scenes, x = real()
    pairs = [(scenes.scene(row), seen) for row, seen in enumerate(load_reader().scenes(x))]
    found = attribute_shares(pairs)
    assert {"shapes_right_one", "shapes_right_two", "shapes_right_held_out", "shapes_both", "shapes_size"} < set(found)
    assert min(found.values()) > 0.97


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ZooError, match="the judge shapes reads pictures of 3x32x32, not 1x8x8"):
        build_judge(DataInfo.of((1, 8, 8), ("cat", "dog")))


@pytest.mark.parametrize(
    ("wanted", "seen", "right", "shown"),
    [
        ("a red circle", "a small red circle at the top", True, True),
        ("a big red circle", "a small red circle at the top", False, False),
        ("a red circle at the top", "a small red circle at the bottom", False, True),
        ("a red circle", "a small red circle above a big blue star", False, True),
        ("a red circle below a blue star", "a small red circle above a big blue star", False, True),
        ("a blue star below a red circle", "a small red circle above a big blue star", True, True),
        ("a blue star and a red circle", "a small red circle above a big blue star", True, True),
        ("a blue star above a red circle", "a small red circle above a big blue star", False, True),
        ("a blue star and a red heart", "a small red circle above a big blue star", False, False),
        ("a blue star and a red circle", "a small red circle", False, False),
    ],
)
def test_what_counts_as_right(wanted: str, seen: str, right: bool, shown: bool) -> None:
    assert is_right(scene(wanted), scene(seen)) == right
    assert shows_objects(scene(wanted), scene(seen)) == shown


def test_shares_of_single_attributes() -> None:
    pairs = [
        (scene("a big red circle at the top"), scene("a small red circle at the top")),
        (scene("a red star above a blue heart"), scene("a big red heart above a big blue star")),
        (scene("a red star and a blue heart"), scene("a big pink heart at the top")),
    ]
    found = attribute_shares(pairs)
    assert found["shapes_size"] == 0.0
    assert found["shapes_place"] == found["shapes_relation"] == 1.0
    assert found["shapes_count"] == pytest.approx(2 / 3)
    assert found["shapes_colour"] == pytest.approx(3 / 4)
    assert found["shapes_right"] == found["shapes_both"] == 0.0


class Reading(TextEncoder):
    """What captions say, as numbers: first and second object, place and relation."""

    size = CODE

    def encode(self, texts: Sequence[str]) -> Tensor:
        found = torch.zeros(len(texts), CODE)
        for row, text in enumerate(texts):
            said = scene(text)
            for slot, thing in enumerate(said.things):
                look = SHAPES.index(thing.shape) * len(COLOURS) + COLOURS.index(thing.colour)
                found[row, slot * LOOKS + look * 2 + (thing.size == "big")] = 1
            names = [*PLACES, *FORWARD]
            found[row, 2 * LOOKS + names.index(said.where or "middle")] = 1
        return found

    def labels(self, y: Tensor) -> Tensor:
        return torch.zeros(len(y), CODE)


class Obedient(VectorPrior):
    """A prior whose codes are the conditions."""

    conditional = True

    def draw(self, n: int, condition: Tensor | None, temperature: float) -> Tensor:
        assert condition is not None
        return condition


class Painter(LatentModel):
    """Paints what a code says; a clumsy one paints everything red."""

    code = CodeInfo((CODE,), condition=CODE)

    def __init__(self, clumsy: bool = False) -> None:
        super().__init__()
        self.clumsy, self.unused = clumsy, torch.nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor) -> Posterior:
        return Posterior(torch.zeros(len(x), CODE), torch.zeros(len(x), CODE))

    def decode(self, code: Tensor) -> Tensor:
        looks = [
            [part[row].nonzero().flatten().tolist() for part in torch.split(code, [LOOKS, LOOKS, 9, 2], 1)]
            for row in range(len(code))
        ]
        both = [(one + other)[:2] or [0] for one, other, _, _ in looks]
        count = np.array([len(each) for each in both])
        look = np.array([each if len(each) == 2 else [*each, 0] for each in both])
        place = np.array([(each[2] or [4])[0] for each in looks])
        relation = np.array([(each[3] or [0])[0] for each in looks])
        near, far, middle = 8.0, 24.0, 16.0
        line = np.array([near, far])[None].repeat(len(code), 0)
        two, sideways = (count == 2)[:, None], (relation == 0)[:, None]
        x = np.where(two, np.where(sideways, line, middle), CELLS[place % 3][:, None])
        y = np.where(two, np.where(sideways, middle, line), CELLS[place // 3][:, None])
        shape, colour, size = look // 14, look // 2 % 7, look % 2
        colour = 0 * colour if self.clumsy else colour
        free = np.random.default_rng(0).random((len(code), 28))
        scenes = Scenes(count, shape, colour, size, place, relation, x, y, RADII[size], free)
        return torch.from_numpy(draw(scenes, ("plain", "glow"))).permute(0, 3, 1, 2) / 255


def outputs_of(painter: Painter) -> Outputs:
    loaded = shapes.make(shapes.ShapesSpec(n=1800), "test")
    info = DataInfo.of((3, 32, 32), (), words=shapes.grammar.known_words())
    model = Generator(painter, Obedient(Painter.code), info, Reading()).eval()
    some = JudgedImages(loaded.floats[:4], None, torch.zeros(4, 2), None)
    return Outputs(model, info, loaded, {}, None, Gallery("shapes", some, some, some, some, loaded.x))


def test_a_perfect_painter_gets_everything_right() -> None:
    found = compute(outputs_of(Painter()))
    assert found
    low = {name: value for name, value in found.items() if value < 0.98 and not name.endswith("_reconstructions")}
    assert not low
    assert found["shapes_sum_both"] > 0.98, "half of each prompt's numbers is as good as all"
    assert found["shapes_right_reconstructions"] < 0.1, "its codec keeps nothing of a picture"


def test_a_painter_with_one_colour_gets_only_that_wrong() -> None:
    found = compute(outputs_of(Painter(clumsy=True)))
    assert found
    assert found["shapes_shape"] > 0.98
    assert found["shapes_relation"] > 0.98
    assert found["shapes_colour"] < 0.3
    assert found["shapes_right"] < 0.3
    assert found["shapes_sum_both"] < 0.1


def test_figures_apply_to_captions_of_shapes_only() -> None:
    outputs = outputs_of(Painter())
    x, y = outputs.pictures.nhwc, outputs.pictures.y
    others = Pictures.of(x, y, texts=["a cat"] * len(y))
    assert compute(Outputs(outputs.model, outputs.info, others, {}, None, outputs.gallery)) is None
    assert compute(Outputs(outputs.model, outputs.info, Pictures.of(x, y), {}, None, outputs.gallery)) is None
    assert compute(Outputs(outputs.model, outputs.info, outputs.pictures, {}, None, None)) is None
    by_class = Generator(Painter(), Obedient(Painter.code), DataInfo.of((3, 32, 32), SHAPES)).eval()
    assert compute(Outputs(by_class, by_class.info, outputs.pictures, {}, None, outputs.gallery)) is None


@pytest.mark.slow
def test_a_short_training_learns_to_read(one_thread: None) -> None:
    before, drawn = torch.get_rng_state(), training_batch(300, 99)
    model = train_reader(1, 8000)
    assert torch.equal(before, torch.get_rng_state())
    with torch.inference_mode():
        loss = reading_loss(model.read(drawn.x), drawn.attributes).item()
    assert loss < 0.9 * sum(map(math.log, HEADS.values())), "less than a guess loses"


@pytest.mark.slow
def test_an_evaluation_measures_what_samples_of_captions_show(home: Path, one_thread: None) -> None:
    words = ["data.kind=shapes", "data.n=120", "text.kind=tokens", "train.epochs=1", "model.patch=8", "model.width=8"]
    run = zoo.train("vae-nf", *words, "prior.width=8", "prior.layers=2", "train.augment.flip=false", device="cpu").run
    found = zoo.evaluate(run, guidance=1.0, device="cpu")
    assert found.judge == "shapes"
    assert found.metrics["shapes_right_real"] > 0.9
    assert found.metrics["shapes_right"] < 0.5, "nobody learns to draw from 120 pictures in a second"
    assert {"shapes_sum_both", "shapes_both_real", "coverage", "frechet"} < set(found.metrics)
    assert not found.problems


def test_the_figures_are_of_shapes_alone(home: Path) -> None:
    outputs = outputs_of(Painter())
    for words, expected in (((), False), (("data.kind=shapes",), True)):
        entry = load_entry("vae-nf", words)
        assert ("shapes_right" in compute_metrics(outputs, entry).metrics) == expected
