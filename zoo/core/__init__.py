"""What everything else builds on: errors, files, YAML, specs, data and code types; no torch at import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.core.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.core.deprecation import Renamed, deprecated
    from zoo.core.errors import (
        BudgetError,
        DataError,
        MissingError,
        ResourceError,
        ZooDeprecationWarning,
        ZooError,
        did_you_mean,
    )
    from zoo.core.files import atomic_write, cache_dir, digest, expand_user, private_cache_dir
    from zoo.core.notes import note
    from zoo.core.sections import DataSpec, PictureSpec, TransformSpec
    from zoo.core.spec import Choice, Range, Spec
    from zoo.core.splits import SPLIT_NAMES, split_of
    from zoo.core.transfer import to_device
    from zoo.core.trust import is_own
    from zoo.core.types import Batch, CodeInfo, DataInfo, Losses
    from zoo.core.version import API
    from zoo.core.walk import data_files, format_left_out, picture_files, subfolders

__all__ = [
    "API",
    "SPLIT_NAMES",
    "Batch",
    "BudgetError",
    "Choice",
    "CodeInfo",
    "DataError",
    "DataInfo",
    "DataSpec",
    "Losses",
    "MissingError",
    "PictureSpec",
    "Range",
    "Renamed",
    "ResourceError",
    "Spec",
    "TransformSpec",
    "ZooDeprecationWarning",
    "ZooError",
    "atomic_write",
    "cache_dir",
    "data_files",
    "deprecated",
    "did_you_mean",
    "digest",
    "expand_user",
    "format_left_out",
    "is_own",
    "note",
    "picture_files",
    "private_cache_dir",
    "split_of",
    "subfolders",
    "to_device",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "zoo.core.deprecation": ("Renamed", "deprecated"),
        "zoo.core.errors": (
            "BudgetError",
            "DataError",
            "MissingError",
            "ResourceError",
            "ZooDeprecationWarning",
            "ZooError",
            "did_you_mean",
        ),
        "zoo.core.files": ("atomic_write", "cache_dir", "digest", "expand_user", "private_cache_dir"),
        "zoo.core.notes": ("note",),
        "zoo.core.sections": ("DataSpec", "PictureSpec", "TransformSpec"),
        "zoo.core.spec": ("Choice", "Range", "Spec"),
        "zoo.core.splits": ("SPLIT_NAMES", "split_of"),
        "zoo.core.transfer": ("to_device",),
        "zoo.core.trust": ("is_own",),
        "zoo.core.types": ("Batch", "CodeInfo", "DataInfo", "Losses"),
        "zoo.core.version": ("API",),
        "zoo.core.walk": ("data_files", "format_left_out", "picture_files", "subfolders"),
    },
)
