"""What plugins may rely on, module by module: it changes only with a deprecation, or with a new `zoo.API`.

Everything else may change in any version. tests/public_api.txt has the signatures, and a test compares them.
"""

from __future__ import annotations

import zoo

PUBLIC: dict[str, tuple[str, ...]] = {
    "zoo": tuple(zoo.__all__),
    "zoo.hooks": ("Hooks", "hookimpl"),
    "zoo.kinds": ("DataInfo", "CodeInfo", "ModelKind", "PriorKind", "TextKind", "DataKind", "MetricKind", "JudgeKind"),
    "zoo.spec": ("Spec", "Range", "Choice"),
    "zoo.dataspec": ("DataSpec",),
    "zoo.picturespec": ("PictureSpec", "picture_files"),
    "zoo.deprecation": ("deprecated", "Renamed"),
    "zoo.errors": (
        "ZooError",
        "DataError",
        "MissingError",
        "ResourceError",
        "BudgetError",
        "ZooDeprecationWarning",
        "nearest",
    ),
    "zoo.files": ("atomic", "cache_dir", "digest"),
    "zoo.model": (
        "Batch",
        "Stage",
        "Losses",
        "Model",
        "Classifier",
        "FLATTEST",
        "wants_pretrained",
        "why_not_compiled",
    ),
    "zoo.latent": ("LatentModel", "Generator", "LEVELS", "dequantised", "fixed_draws"),
    "zoo.prior": (
        "Prior",
        "VectorPrior",
        "Invertible",
        "Posterior",
        "KL",
        "Term",
        "Encode",
        "Exactness",
        "one",
        "precise",
        "wide",
    ),
    "zoo.text": ("TextEncoder", "Classes", "knows"),
    "zoo.data": ("Pictures", "Loaded", "cached", "stamps"),
    "zoo.pictures": ("LOOK_AT", "Named", "Recipe", "Skipped", "gather", "look", "versions"),
    "zoo.augment": ("batches",),
    "zoo.evaluation": ("Outputs", "SIZE"),
    "zoo.features": ("Features", "features"),
    "zoo.gallery": ("Gallery", "Seen", "Sweep", "Mixed", "Edited"),
    "zoo.judge": ("Judge", "Look"),
    "zoo.testing": ("checks",),
}
"""Names by the module from which they are imported."""
