"""Metric kinds for generators; whatever needs torch is imported when a metric is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from zoo import MetricKind, Spec
from zoo_metrics.spec import BoundSpec, ManifoldSpec, NoOptions, RetrievalSpec

if TYPE_CHECKING:
    from zoo.models import Gallery
    from zoo.registry import Outputs

Figures = Mapping[str, Any] | None


def bound(spec: BoundSpec, found: Outputs) -> Figures:
    """Compute `iwae` in bits per dimension, like `loss`, and `iwae_gap`, its gain over the bound from one draw.

    It needs a generator with continuous codes (Burda et al. 2015, arXiv:1509.00519), but no judge.
    """
    from zoo_metrics.likelihood import importance_weighted_bound

    return finite_figures(importance_weighted_bound(found, spec.draws, spec.pictures))


def retrieval(spec: RetrievalSpec, found: Outputs) -> Figures:
    """Compute `retrieval`, the share of pictures that are likeliest under their own caption, and `retrieval_chance`."""
    from zoo_metrics.retrieval import caption_retrieval

    return caption_retrieval(found, spec.candidates, spec.pictures)


def reconstruction(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute the mean `psnr` (in decibels) and `ssim` of reconstructions."""
    from zoo_metrics.pixels import fidelity

    return fidelity(gallery.real.x, gallery.reconstructions.x)


def sharpness(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `sharpness` and `sharpness_laplacian` of samples, relative to real pictures.

    With the suffix `_reconstructions` they are those of reconstructions.
    """
    from zoo_metrics.pixels import relative_sharpness

    return relative_sharpness(gallery.real.x, gallery.samples.x, gallery.reconstructions.x)


def frechet(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `frechet`, the distance of samples from real pictures, `frechet_reconstructions` and `frechet_floor`.

    The floor is the distance of training pictures from the real pictures.
    """
    from zoo_metrics.distances import frechet_distances as distances

    sets = [gallery.samples.features, gallery.reconstructions.features, gallery.other.features]
    names = ("frechet", "frechet_reconstructions", "frechet_floor")
    return dict(zip(names, distances(gallery.real.features, sets), strict=True))


def kernel(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `kid`, the kernel distance of samples from real pictures, and `kid_floor`, that of training pictures."""
    from zoo_metrics.distances import kernel_distances as distances

    sets = [gallery.samples.features, gallery.other.features]
    return dict(zip(("kid", "kid_floor"), distances(gallery.real.features, sets), strict=True))


def manifold(spec: ManifoldSpec, gallery: Gallery) -> Figures:
    """Compute `precision`, `recall`, `density` and `coverage` of samples; with `_real` of training pictures."""
    from zoo_metrics.distances import compare_manifolds

    return compare_manifolds(gallery.real.features, gallery.samples.features, gallery.other.features, spec.neighbours)


def judged(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `judge_right`, `judge_confidence`, `judge_entropy` and more from the judge's classifications."""
    from zoo_metrics.judged import judge_figures

    return judge_figures(gallery)


def memorisation(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `memorisation`, the relative distance of samples to training pictures, and the share of `copies`."""
    from zoo_metrics.distances import memorisation_figures

    return memorisation_figures(gallery.real.x, gallery.samples.x, gallery.train)


def classes(spec: ManifoldSpec, found: Outputs) -> Figures:
    """Compute `samples_per_class`, the figures of the samples of each class, for a conditional prior."""
    from zoo_metrics.distances import figures_per_class

    return None if found.gallery is None else figures_per_class(found.gallery, found.info.classes, spec.neighbours)


def mixtures(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `mixture_mass` and `mixture_both`, whether a sample shows two classes, and `mixture_monotone`."""
    from zoo_metrics.judged import mixture_figures as compute

    return compute(gallery.mixed) if gallery.mixed else None


def edits(spec: NoOptions, gallery: Gallery) -> Figures:
    """Compute `edit_right`, whether edits change the class, `edit_correlation`, what they keep, and more."""
    from zoo_metrics.judged import edit_figures as compute

    return compute(gallery.edited) if gallery.edited else None


def on_gallery(compute: Callable[[Any, Gallery], Figures]) -> Callable[[Any, Outputs], Figures]:
    """Turn a function of the gallery into a metric, which is None without a gallery of at least two pictures."""

    def figures(spec: Spec, found: Outputs) -> Figures:
        # a single picture has neither a variance nor a neighbour
        if found.gallery is None or len(found.gallery.real.x) < 2:
            return None
        return finite_figures(compute(spec, found.gallery))

    return figures


def finite_figures(figures: Figures) -> Figures:
    """Leave out figures that are not finite, since a recorded result may not contain them."""
    return {name: value for name, value in figures.items() if isfinite(value)} if figures else None


KINDS: tuple[MetricKind[Any], ...] = (
    MetricKind("iwae", BoundSpec, bound, "importance-weighted bound on the likelihood, from many codes per picture"),
    MetricKind("retrieval", RetrievalSpec, retrieval, "whether pictures are likeliest under their own caption"),
    MetricKind(
        "reconstruction",
        NoOptions,
        on_gallery(reconstruction),
        "similarity of reconstructions to the originals (PSNR, SSIM)",
    ),
    MetricKind(
        "sharpness",
        NoOptions,
        on_gallery(sharpness),
        "fine detail of samples and reconstructions relative to real pictures",
    ),
    MetricKind("frechet", NoOptions, on_gallery(frechet), "Frechet distance between samples and real pictures"),
    MetricKind("kid", NoOptions, on_gallery(kernel), "kernel distance (KID) between samples and real pictures"),
    MetricKind("manifold", ManifoldSpec, on_gallery(manifold), "precision, recall, density and coverage of samples"),
    MetricKind(
        "judged", NoOptions, on_gallery(judged), "which classes the judge sees in samples, and with what confidence"
    ),
    MetricKind("classwise", ManifoldSpec, classes, "what the judge sees in the samples of each class"),
    MetricKind("mixtures", NoOptions, on_gallery(mixtures), "whether samples for a mix of two classes show both"),
    MetricKind("edits", NoOptions, on_gallery(edits), "whether edited pictures change class, and how much they keep"),
    MetricKind("memorisation", NoOptions, on_gallery(memorisation), "whether samples are copies of training pictures"),
)
