"""Metric kinds of generative models; whatever needs torch is imported when a metric is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from zoo import MetricKind, Spec
from zoo_metrics.spec import BoundSpec, ManifoldSpec, NoOptions

if TYPE_CHECKING:
    from zoo.models import Gallery
    from zoo.registry import Outputs

Figures = Mapping[str, Any] | None


def bound(spec: BoundSpec, found: Outputs) -> Figures:
    """`iwae` in bits a number of the picture, as `loss` is, and `iwae_gap`, by how much that is better than one draw.

    Of a generator with continuous codes (Burda et al. 2015, arXiv:1509.00519); nobody needs to judge for it.
    """
    from zoo_metrics.likelihood import weighted_bound

    return finite(weighted_bound(found, spec.draws, spec.pictures))


def reconstruction(spec: NoOptions, gallery: Gallery) -> Figures:
    """`psnr` in decibels and `ssim` of reconstructions, means over the pictures."""
    from zoo_metrics.pixels import fidelity

    return fidelity(gallery.real.x, gallery.reconstructions.x)


def sharpness(spec: NoOptions, gallery: Gallery) -> Figures:
    """`sharpness` and `sharpness_laplacian` of samples, the same with `_reconstructions`; 1 is as sharp as real."""
    from zoo_metrics.pixels import relative

    return relative(gallery.real.x, gallery.samples.x, gallery.reconstructions.x)


def frechet(spec: NoOptions, gallery: Gallery) -> Figures:
    """`frechet`, the distance of samples from real pictures, and `frechet_reconstructions`; `frechet_floor`.

    The floor, here and elsewhere, is what training pictures get.
    """
    from zoo_metrics.distances import frechet_distances as distances

    sets = [gallery.samples.features, gallery.reconstructions.features, gallery.other.features]
    names = ("frechet", "frechet_reconstructions", "frechet_floor")
    return dict(zip(names, distances(gallery.real.features, sets), strict=True))


def kernel(spec: NoOptions, gallery: Gallery) -> Figures:
    """`kid`, the kernel distance of samples from real pictures, and `kid_floor`."""
    from zoo_metrics.distances import kernel_distances as distances

    sets = [gallery.samples.features, gallery.other.features]
    return dict(zip(("kid", "kid_floor"), distances(gallery.real.features, sets), strict=True))


def manifold(spec: ManifoldSpec, gallery: Gallery) -> Figures:
    """`precision`, `recall`, `density` and `coverage` of samples; with `_real` those of training pictures."""
    from zoo_metrics.distances import compare

    return compare(gallery.real.features, gallery.samples.features, gallery.other.features, spec.neighbours)


def judged(spec: NoOptions, gallery: Gallery) -> Figures:
    """What the judge takes pictures for: `judge_right`, `judge_confidence`, `judge_entropy` and more."""
    from zoo_metrics.judged import verdict

    return verdict(gallery)


def memorisation(spec: NoOptions, gallery: Gallery) -> Figures:
    """`memorisation`, how near samples are to training pictures beside real ones, and `copies`, the share too near."""
    from zoo_metrics.distances import remembered

    return remembered(gallery.real.x, gallery.samples.x, gallery.train)


def classes(spec: ManifoldSpec, found: Outputs) -> Figures:
    """`samples_per_class`: what the judge sees in the samples of each class; of a prior that takes classes."""
    from zoo_metrics.distances import classwise

    return None if found.gallery is None else classwise(found.gallery, found.info.classes, spec.neighbours)


def mixtures(spec: NoOptions, gallery: Gallery) -> Figures:
    """`mixture_mass` and `mixture_both`: whether the judge sees two classes in one sample; `mixture_monotone`."""
    from zoo_metrics.judged import mixtures as compute

    return compute(gallery.mixed) if gallery.mixed else None


def edits(spec: NoOptions, gallery: Gallery) -> Figures:
    """`edit_right`, whether real pictures become another class, `edit_correlation`, what they keep, and more."""
    from zoo_metrics.judged import edits as compute

    return compute(gallery.edited) if gallery.edited else None


def seen(compute: Callable[[Any, Gallery], Figures]) -> Callable[[Any, Outputs], Figures]:
    """A metric of what a generator makes; None where nothing was made, or too little."""

    def figures(spec: Spec, found: Outputs) -> Figures:
        # of one picture there is neither a spread nor a neighbour
        if found.gallery is None or len(found.gallery.real.x) < 2:
            return None
        return finite(compute(spec, found.gallery))

    return figures


def finite(figures: Figures) -> Figures:
    """The figures that are numbers; a result that is recorded holds no others."""
    return {name: value for name, value in figures.items() if isfinite(value)} if figures else None


KINDS: tuple[MetricKind[Any], ...] = (
    MetricKind("iwae", BoundSpec, bound, "importance-weighted bound on the likelihood, from many codes per picture"),
    MetricKind(
        "reconstruction", NoOptions, seen(reconstruction), "similarity of reconstructions to the originals (PSNR, SSIM)"
    ),
    MetricKind(
        "sharpness", NoOptions, seen(sharpness), "fine detail of samples and reconstructions relative to real pictures"
    ),
    MetricKind("frechet", NoOptions, seen(frechet), "Frechet distance between samples and real pictures"),
    MetricKind("kid", NoOptions, seen(kernel), "kernel distance (KID) between samples and real pictures"),
    MetricKind("manifold", ManifoldSpec, seen(manifold), "precision, recall, density and coverage of samples"),
    MetricKind("judged", NoOptions, seen(judged), "which classes the judge sees in samples, and with what confidence"),
    MetricKind("classwise", ManifoldSpec, classes, "what the judge sees in the samples of each class"),
    MetricKind("mixtures", NoOptions, seen(mixtures), "whether samples for a mix of two classes show both"),
    MetricKind("edits", NoOptions, seen(edits), "whether edited pictures change class, and how much they keep"),
    MetricKind("memorisation", NoOptions, seen(memorisation), "whether samples are copies of training pictures"),
)
