"""Lists of augmentations on the command line, in search spaces, and in the schema of registry files."""

from __future__ import annotations

from typing import Any

import pytest

import zoo
from zoo.core.errors import ZooError
from zoo.registry.listing import load_entry, load_registry
from zoo.registry.search.dimension import Dimension
from zoo.registry.search.space import Space

jsonschema = pytest.importorskip("jsonschema")
LISTS = ["none", "cutout", "mixup p=0.5, cutout"]


def items(*overrides: str) -> list[tuple[str, Any]]:
    found = load_entry("cnn", overrides).train.augment.then
    return [(item["kind"], item["p"]) for item in found]


def test_single_options_are_laid_over_a_list() -> None:
    base = "train.augment.then=cutout, mixup alpha=0.3, cutout p=0.4"
    assert items(base) == [("cutout", 1.0), ("mixup", 1.0), ("cutout", 0.4)]
    assert items(base, "train.augment.then.mixup.p=0.2", "train.augment.then.cutout-2.p=0.1") == [
        ("cutout", 1.0),
        ("mixup", 0.2),
        ("cutout", 0.1),
    ]
    assert items(base, "train.augment.then.flip.p=0.3")[-1] == ("flip", 0.3)  # one that is new comes last
    assert items(base, "train.augment.then.mixup=null") == [("cutout", 1.0), ("cutout", 0.4)]
    assert items(base, "train.augment.then=flip") == [("flip", 0.5)]  # a list replaces the one before
    assert items(base, "train.augment.then=none") == []
    assert items("train.augment.then.mixup.p=0.2") == [("mixup", 0.2)]


def planned(space: dict[str, Any], *overrides: str) -> tuple[Space, Any]:
    raw = load_registry()[0].resolve("cnn", overrides)
    entry = load_entry("cnn", overrides)
    return Space.of(raw, entry, space, ()), entry


def test_lists_and_options_inside_are_searched_where_the_list_has_them() -> None:
    space, entry = planned({"train.augment.then": LISTS, "train": {"augment": {"then": {"mixup": {"alpha": {}}}}}})
    about = space.describe()
    assert about["train.augment.then"] == "none | cutout | mixup p=0.5, cutout"
    assert about["train.augment.then.mixup.alpha"] == "0.1..1 when train.augment.then = mixup p=0.5, cutout"
    assert space.value("train.augment.then", {}) == "none"  # where the entry stands
    for text in LISTS:

        def value(one: Dimension, text: str = text) -> Any:
            return text if one.path == "train.augment.then" else one.bounds()[0]

        config = space.assign(value)
        assert ("train.augment.then.mixup.alpha" in config) == ("mixup" in text)
        found = Space.apply(entry, config).train.augment.then
        assert [item["kind"] for item in found] == [part.split()[0] for part in text.split(", ") if part != "none"]
        assert not found or found[0].get("alpha", 0.1) == 0.1
    as_lists, _ = planned({"train.augment.then": [[], ["cutout"], [{"kind": "mixup", "p": 0.5}, "cutout"]]})
    assert as_lists.describe()["train.augment.then"] == about["train.augment.then"]


def test_options_of_the_entrys_own_list_are_searched() -> None:
    space, entry = planned({"train.augment.then.cutout.p": "0.1..0.9"}, "train.augment.then=cutout p=0.3, flip")
    assert space.value("train.augment.then.cutout.p", {}) == 0.3
    found = Space.apply(entry, {"train.augment.then.cutout.p": 0.7}).train.augment.then
    assert [(item["kind"], item["p"]) for item in found] == [("cutout", 0.7), ("flip", 0.5)]


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ({"train.augment.then.mixup.p": "0.1..0.9"}, "train.augment.then of cnn has no mixup"),
        ({"train.augment.then": ["none", "mixupp"]}, "no augment kind 'mixupp'"),
        ({"train.augment.then": "1..3"}, "it needs a choice of lists"),
        ({"train.augment.then.mixup.q": "0.1..0.9"}, "no option 'train.augment.then.mixup.q'"),
        ({"train.augment.then": LISTS, "train.augment.then.flip.p": "0.1..0.9"}, "no list that is searched"),
        ({"train.augment.then": LISTS, "train.augment.then.mixup.p": "0.1..2"}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(space: dict[str, Any], text: str) -> None:
    with pytest.raises(ZooError, match=text):
        planned(space)


def test_the_schema_of_registry_files_knows_all_forms_of_a_list() -> None:
    def check(then: Any) -> None:
        entry = {"extends": "cnn", "train": {"augment": {"then": then}}}
        jsonschema.validate({"version": 1, "entries": {"mine": entry}}, schema)

    schema = zoo.schema()
    for good in ("mixup, cutmix", ["mixup", {"kind": "cutmix", "p": 0.5}], {"mixup": {"p": 0.5}}, None):
        check(good)
    for bad in (3, [{"kind": "nope"}], [{"kind": "mixup", "alpha": -1}], [{"kind": "mixup", "beta": 1}]):
        with pytest.raises(jsonschema.ValidationError):
            check(bad)
