"""The data kind `shapes`: what its pictures show, what their captions say, and that no system draws them otherwise."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest
from zoo_data import shapes
from zoo_data.shapes.draw import BACKGROUNDS, INKS, draw
from zoo_data.shapes.grammar import AND, COLOURS, HELD_OUT, PLACES, SHAPES, SIZES, Scene, Thing, parse, reverse, write
from zoo_data.shapes.scenes import GAP, REACH, SIDE, Scenes, attributes, captions, random_scenes

from zoo.cli import main
from zoo.data.split import split


def scenes_of(count: int = 600, held_out: float = 0.0) -> Scenes:
    return random_scenes(0, 0, count, 0.6, held_out)


def test_captions_name_what_a_person_would_say() -> None:
    small, big = Thing("circle", "red", "small"), Thing("square", "orange", "big")
    assert write(Scene((small, big), "above")) == "a small red circle above a big orange square"
    assert write(Scene((big._replace(size=""),), "top left")) == "an orange square at the top left"
    assert write(Scene((small, big))) == "a small red circle and a big orange square"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a small red circle above a blue square", "a small red circle above a blue square"),
        ("A large green star at the top-left.", None),
        ("A large green star at the top left.", "a big green star at the top left"),
        ("red heart", "a red heart"),
        ("a red heart in the centre", "a red heart in the middle"),
        ("a pink cross to the right of an orange star", "an orange star left of a pink cross"),
        ("a pink cross under a red heart", "a red heart above a pink cross"),
        ("a blue star and a pink cross", "a blue star and a pink cross"),
        ("a cat", None),
        ("a small circle", None),
        ("a red circle above", None),
        ("", None),
    ],
)
def test_a_caption_is_read_back(text: str, meaning: str | None) -> None:
    found = parse(text)
    assert (None if found is None else write(found)) == meaning


def test_every_caption_is_read_as_what_the_picture_shows() -> None:
    scenes = scenes_of()
    for row, texts in enumerate(captions(scenes)):
        scene = scenes.scene(row)
        assert parse(texts[0]) == scene, "the first caption says everything"
        assert 2 <= len(texts) <= 5
        for text in texts:
            found = parse(text)
            assert found is not None and found.where in ("", scene.where)
            in_order = [scene.things, scene.things[::-1]][: 1 if found.where else 2]
            assert any(all(map(Thing.fits, found.things, things)) for things in in_order), text
    words = {word for texts in captions(scenes) for text in texts for word in text.split()}
    assert words >= {*SHAPES, *COLOURS, *SIZES, AND, "left", "right", "above", "below", "top", "bottom", "middle"}


def test_reversing_a_relation_changes_no_meaning() -> None:
    scene = scenes_of().scene(1)
    assert len(scene.things) == 2
    assert reverse(scene) != scene
    assert reverse(reverse(scene)) == scene == parse(write(reverse(scene)))


def test_training_pictures_never_show_what_is_held_out() -> None:
    assert sorted(HELD_OUT) == sorted(SHAPES)
    train, test = scenes_of(2000), scenes_of(2000, held_out=0.25)
    assert not any(train.scene(row).held_out for row in range(len(train)))
    share = np.mean([test.scene(row).held_out for row in range(len(test))])
    assert share == pytest.approx(0.25, abs=0.03)
    seen = {thing[:2] for row in range(len(train)) for thing in train.scene(row).things}
    assert len(seen) == len(SHAPES) * (len(COLOURS) - 1), "everything else is seen"
    both = [test.scene(row).things for row in range(len(test)) if test.count[row] == 2]
    assert all(one[:2] != other[:2] for one, other in both), "two objects are never alike"
    assert {sum(thing.held_out for thing in things) for things in both} == {0, 1}


def test_attributes_are_as_frequent_as_one_another() -> None:
    scenes = scenes_of(6000)
    found = attributes(scenes)
    assert found["count"].mean() == pytest.approx(0.6, abs=0.02)
    for name, count in {"shape1": 6, "colour2": 7, "size1": 2, "place": len(PLACES), "relation": 2}.items():
        values = found[name][found[name] >= 0]
        assert np.bincount(values, minlength=count) / len(values) == pytest.approx(1 / count, abs=0.05)


def test_objects_lie_where_the_captions_say_and_never_overlap() -> None:
    scenes = scenes_of(3000)
    reach = scenes.radius * REACH[scenes.shape]
    there = np.arange(2) < scenes.count[:, None]
    for centre in (scenes.x, scenes.y):
        assert (centre - reach)[there].min() > 0
        assert (centre + reach)[there].max() < SIDE
    two, sideways = scenes.count == 2, scenes.relation == 0
    right, down = scenes.x[:, 1] - scenes.x[:, 0], scenes.y[:, 1] - scenes.y[:, 0]
    along, across = np.where(sideways, right, down)[two], np.where(sideways, down, right)[two]
    assert (along > reach.sum(1)[two] + GAP - 1e-9).all()
    assert (abs(across) < 0.5 * along).all()


def test_pictures_show_the_colours_at_the_centres() -> None:
    scenes = scenes_of(400)
    x = draw(scenes, BACKGROUNDS).astype(float) / 255
    for row in range(len(scenes)):
        for slot in range(scenes.count[row]):
            pixel = x[row, int(scenes.y[row, slot]), int(scenes.x[row, slot])]
            nearest = np.abs(INKS - pixel).sum(1).argmin()
            assert nearest == scenes.colour[row, slot]


def test_every_background_is_its_own() -> None:
    scenes = scenes_of(40)
    looks = {name: draw(scenes, (name,)) for name in BACKGROUNDS}
    assert len({look.tobytes() for look in looks.values()}) == len(BACKGROUNDS)
    empty = looks["plain"][:, 0, 0][:, None, None] == looks["plain"]
    assert empty.all(-1).mean() > 0.6


def test_pictures_are_the_same_on_every_system() -> None:
    """The hash was computed on Linux with NumPy 2; another system or version must come to the same bytes."""
    scenes = random_scenes(3, 2, 200, 0.6, 0.25)
    assert hashlib.sha256(draw(scenes, BACKGROUNDS).tobytes()).hexdigest()[:16] == "e847b4a0811bcabd"
    texts = "\n".join(text for each in captions(scenes) for text in each)
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == "225391278c55ea0d"


def test_pictures_depend_on_seed_and_row_only() -> None:
    few, many = random_scenes(1, 0, 50, 0.6, 0.0), random_scenes(1, 0, 300, 0.6, 0.0)
    assert (draw(few, BACKGROUNDS) == draw(many, BACKGROUNDS)[:50]).all()
    assert (draw(few, BACKGROUNDS) != draw(random_scenes(2, 0, 50, 0.6, 0.0), BACKGROUNDS)).any()


def test_the_kind_loads_splits_of_its_own() -> None:
    loaded = shapes.load(shapes.ShapesSpec(n=120, label="colour"))
    sizes = {name: tuple(part.x.shape) for name, part in loaded.parts().items()}
    assert sizes == {"train": (120, 3, 32, 32), "valid": (20, 3, 32, 32), "test": (20, 3, 32, 32)}
    assert loaded.classes == COLOURS
    assert not shapes.load(shapes.ShapesSpec(n=6)).classes
    fingerprints = {part.fingerprint() for part in loaded.parts().values()}
    assert len(fingerprints) == 3


def test_more_training_pictures_leave_the_test_split_as_it_is() -> None:
    few, many = (shapes.make(shapes.ShapesSpec(n=n), "test") for n in (12_000, 30_000))
    assert len(few) == len(many) == 2000
    assert few.fingerprint() == many.fingerprint()


def test_the_captions_come_with_the_pictures() -> None:
    spec = shapes.ShapesSpec(n=3000)
    loaded = shapes.load(spec)
    texts = loaded.test and loaded.test.texts
    assert texts
    rows = texts.rows()
    assert len(rows) == 500
    assert np.mean([(found := parse(row[0])) is not None and found.held_out for row in rows]) > 0.2, (
        "they tell what is new"
    )
    parts = split(loaded, spec)
    assert parts.info[:2] == shapes.info(spec)[:2]
    assert parts.info.words == shapes.info(spec).words


def test_options_are_checked(capsys: pytest.CaptureFixture[str], home: object) -> None:
    assert main(["train", "cnn", "data.kind=shapes", "data.backgrounds=[plain,plain]"]) == 2
    assert "each background may be listed once" in capsys.readouterr().err
    assert main(["train", "cnn", "data.kind=shapes", "data.n=60"]) == 3
    assert "the pictures have no classes; a classifier needs at least two: set data.label" in capsys.readouterr().err
    assert main(["train", "vae-nf", "data.kind=shapes", "data.n=60"]) == 3
    assert "set text.kind=tokens, words or sentence, which read captions" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_set_takes_seconds() -> None:
    start = time.process_time()
    shapes.load(shapes.ShapesSpec())
    assert time.process_time() - start < 10, "1.6 seconds of an idle core in 2026"
