"""What pictures show of what their captions say: shares of attributes that are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from zoo.models import EVAL_BATCH, Gallery, Generator, Term, apply_guidance, fixed_seed
from zoo.registry import Outputs
from zoo_data.shapes.grammar import Scene, Thing, parse, write
from zoo_data.shapes.judge import SHAPE, load_reader

MAX_CAPTIONS = 1000
"""Largest number of captions for which pictures are sampled, and of sums of two."""
CEILINGS = ("shapes_right", "shapes_both")
"""Figures that are also computed for real pictures and reconstructions."""
Pair = tuple[Scene, Scene]
"""What a caption says, and what its picture shows."""


def shows_objects(wanted: Scene, seen: Scene) -> bool:
    """Whether a picture shows all objects that a caption names, in any order; sizes only where it gives them."""
    return match(wanted, seen) is not None


def match(wanted: Scene, seen: Scene) -> tuple[Thing, ...] | None:
    """Find the objects that are seen in the order in which they are wanted; None if any is missing."""
    if len(wanted.things) > len(seen.things):
        return None
    orders = [seen.things, seen.things[::-1]]
    return next((each for each in orders if all(map(Thing.fits, wanted.things, each))), None)


def is_right(wanted: Scene, seen: Scene) -> bool:
    """Whether a picture shows all that a caption says, and no other object."""
    if len(wanted.things) != len(seen.things):
        return False
    if len(wanted.things) == 2 and wanted.where:
        return wanted.where == seen.where and all(map(Thing.fits, wanted.things, seen.things))
    return shows_objects(wanted, seen) and wanted.where in ("", seen.where)


def in_order(wanted: Scene, seen: Scene) -> list[tuple[Thing, Thing]]:
    """Pair the objects that are wanted with those that are seen, in the order in which most attributes agree."""
    orders = (seen.things, seen.things[::-1]) if len(wanted.things) == 2 else ((seen.things[0],), (seen.things[-1],))
    found = [list(zip(wanted.things, each, strict=False)) for each in orders]
    return max(found, key=lambda pairs: sum(a == b for one, other in pairs for a, b in zip(one, other, strict=True)))


def share(values: Iterable[bool]) -> float | None:
    """Compute the share of true values; None if there are none at all."""
    known = list(values)
    return sum(known) / len(known) if known else None


def share_right(pairs: Iterable[Pair]) -> float | None:
    """Compute the share of pictures that show all that their captions say; None if there are none at all."""
    return share(is_right(*pair) for pair in pairs)


def attribute_shares(pairs: Sequence[Pair]) -> dict[str, float]:
    """Compute the share of each attribute that pictures show as their captions say.

    `shapes_right` is the share with everything right, `_one` and `_two` that of captions of one and of two objects,
    `_seen` and `_held_out` that of captions without and with an object that training pictures never show.
    `shapes_count`, `_shape`, `_colour`, `_size`, `_place` and `_relation` are shares of single attributes, and
    `shapes_both` is the share of captions of two objects whose picture shows both.
    """
    things = [each for wanted, seen in pairs for each in in_order(wanted, seen)]
    two = [pair for pair in pairs if len(pair[0].things) == 2]
    found = {
        "right": share_right(pairs),
        "right_one": share_right(pair for pair in pairs if len(pair[0].things) == 1),
        "right_two": share_right(two),
        "right_seen": share_right(pair for pair in pairs if not pair[0].held_out),
        "right_held_out": share_right(pair for pair in pairs if pair[0].held_out),
        "count": share(len(wanted.things) == len(seen.things) for wanted, seen in pairs),
        "shape": share(one.shape == other.shape for one, other in things),
        "colour": share(one.colour == other.colour for one, other in things),
        "size": share(one.size == other.size for one, other in things if one.size),
        "place": share(a.where == b.where for a, b in pairs if len(a.things) == 1 and a.where),
        "relation": share(a.where == b.where and len(b.things) == 2 for a, b in two if a.where),
        "both": share(shows_objects(*pair) for pair in two),
    }
    return {f"shapes_{key}": value for key, value in found.items() if value is not None}


def compute(found: Outputs) -> dict[str, float] | None:
    """Compute what samples show of the captions of the split, and what sums of two prompts show.

    `_real` and `_reconstructions` are the same figures of the pictures themselves and of what the codec makes of them:
    the most that a judge finds right, and the most that samples can reach. None unless the data are `shapes` and the
    model reads captions.
    """
    model, gallery = found.model, found.gallery
    if gallery is None or found.info.shape != SHAPE or not isinstance(model, Generator):
        return None
    if not model.reads_captions or (texts := found.pictures.texts) is None:
        return None
    wanted = [parse(row[0]) if row else None for row in texts.rows()[:MAX_CAPTIONS]]
    scenes = [scene for scene in wanted if scene is not None]
    if len(scenes) < len(wanted):
        return None
    x = found.pictures.floats[: len(scenes)]
    device = next(model.parameters()).device
    with torch.inference_mode(), fixed_seed(device):
        rebuilt = [model.reconstruct(part.to(device)).cpu() for part in torch.split(x, EVAL_BATCH)]
        made = {
            "": sample_texts(model, [write(scene) for scene in scenes], gallery, device),
            "_reconstructions": torch.cat(rebuilt),
            "_real": x,
        }
        figures: dict[str, float] = {}
        for name, pictures in made.items():
            shown = attribute_shares(list(zip(scenes, load_reader().scenes(pictures), strict=True)))
            figures |= {f"{key}{name}": value for key, value in shown.items() if not name or key in CEILINGS}
        return figures | sum_shares(model, scenes, gallery, device)


def sum_shares(model: Generator, scenes: Sequence[Scene], gallery: Gallery, device: torch.device) -> dict[str, float]:
    """Compute `shapes_sum_both`: how often the sum of two prompts of one object each shows both of them."""
    pairs = [tuple(Thing(*thing[:2]) for thing in scene.things) for scene in scenes if len(scene.things) == 2]
    if not pairs:
        return {}
    texts = [tuple(write(Scene((thing,))) for thing in things) for things in pairs]
    seen = load_reader().scenes(sample_texts(model, texts, gallery, device))
    shown = [shows_objects(Scene(things), each) for things, each in zip(pairs, seen, strict=True)]
    return {"shapes_sum_both": sum(shown) / len(shown)}


def sample_texts(
    model: Generator, texts: Sequence[str | tuple[str, ...]], gallery: Gallery, device: torch.device
) -> Tensor:
    """Sample a picture for each text, or for several, with the guidance and temperature of the gallery.

    Several are combined as `zoo sample` does it by default: as one text with "and" between them, by the product of
    their densities, or by the sum of their conditions.
    """
    found = []
    for start in range(0, len(texts), EVAL_BATCH):
        parts = [(text,) if isinstance(text, str) else text for text in texts[start : start + EVAL_BATCH]]
        parts = [(" and ".join(part),) for part in parts] if model.joins_prompts else parts
        each = [model.text.encode(list(column)).to(device) for column in zip(*parts, strict=True)]
        if model.multiplies_prompts:
            terms = [Term(1 / len(each), condition) for condition in each]
        else:
            terms = [Term(1.0, torch.stack(each).mean(0))]
        guided = apply_guidance(terms, gallery.guidance)
        found.append(model.blend(len(parts), guided, gallery.temperature).cpu())
    return torch.cat(found)
