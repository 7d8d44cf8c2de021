"""The JSON schema (draft 2020-12) of registry.yaml, for completion and validation in editors."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from zoo.core.files import LEGAL_NAME
from zoo.core.sections import StageSpec, TrainSpec, TuneSpec
from zoo.core.splits import SPLITS
from zoo.registry.catalog import Catalog
from zoo.registry.layers import VERSION

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def registry_schema(catalog: Catalog) -> Schema:
    """Make the JSON schema of a registry file for the kinds of a catalog."""
    defs: Schema = {}
    train = options_schema(TrainSpec, "train", defs)
    defs["train.AugmentSpec"]["properties"]["then"] |= augments_schema(catalog, defs)
    train["properties"]["stages"]["additionalProperties"] = options_schema(StageSpec, "stage", defs)
    sections = {family: section_schema(catalog, family, defs) for family in ("data", "model", "prior", "text")}
    tune = options_schema(TuneSpec, "tune", defs)
    entry: Schema = {
        "type": "object",
        "properties": {
            "summary": SUMMARY,
            "extends": EXTENDS,
            **sections,
            "train": train,
            "tune": tune,
        },
        "additionalProperties": False,
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": ["model"], "properties": {family: {"required": ["kind"]} for family in ("data", "model")}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "registry.yaml of pixel-zoo",
        "type": "object",
        "properties": {
            "version": {"const": VERSION, "description": "Version of the format."},
            "entries": {
                "type": ["object", "null"],
                "description": "Trainable entries, by name.",
                "propertyNames": {"pattern": f"^{LEGAL_NAME.pattern}$"},
                "additionalProperties": {"$ref": "#/$defs/entry"},
            },
            "results": {"type": ["array", "null"], "description": "Recorded results.", "items": RESULT},
        },
        "required": ["version"],
        "additionalProperties": False,
        "$defs": {"entry": entry, **defs},
    }


SUMMARY = TEXT | {"description": "One line for `zoo list`."}
EXTENDS = TEXT | {"description": "An entry from which this one inherits whatever it does not set itself."}
RESULT: Schema = {
    "type": "object",
    "properties": {
        "entry": TEXT | {"description": "Name of the entry."},
        "of": TEXT | {"description": "Hash of the entry; if it differs from the current one, the result is stale."},
        "data": TEXT,
        "split": {"enum": list(SPLITS)},
        "seed": {"type": "integer"},
        "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
        "averaging": TEXT,
        "guidance": {"type": "number"},
        "temperature": {"type": "number"},
        "calibration_temperature": {"type": ["number", "string"]},
        "parameters": {"type": "integer"},
        "minutes": {"type": "number"},
        "seconds": {"type": "number"},
        "device": TEXT,
        "threads": {"type": "integer"},
        "zoo": TEXT,
        "when": TEXT,
    },
    "required": ["entry", "of", "metrics"],
}


def section_schema(catalog: Catalog, family: str, defs: Schema) -> Schema:
    """Make the schema of a section: the options of its kind, or of any kind."""
    kinds, rules = [], []
    for plugin in catalog.plugins:
        for kind in (kind for kind in plugin.kinds if kind.family == family):
            full = f"{catalog.prefix(plugin)}:{kind.name}"
            is_bare = catalog.providers_of(family, kind.name) == [plugin]
            names = [kind.name, full] if is_bare else [full]
            title = re.sub(r"[^\w.:-]", "_", f"{family}-{full}")
            options = options_schema(kind.spec, title, defs)
            defs[title] = options | {"description": kind.summary}
            options["properties"]["kind"] = {"enum": names}
            rules.append((names, {"$ref": f"#/$defs/{title}"}))
            kinds += names
    return {
        "type": "object",
        "properties": {"kind": {"enum": sorted(kinds), "description": f"Kind of {family}."}},
        "allOf": [
            *(
                {"if": {"required": ["kind"], "properties": {"kind": {"enum": names}}}, "then": rule}
                for names, rule in rules
            ),
            {"if": {"not": {"required": ["kind"]}}, "then": {"anyOf": [rule for _, rule in rules]}},
        ],
    }


def augments_schema(catalog: Catalog, defs: Schema) -> Schema:
    """Make the schema of a list of augmentations: a line of text, a list, or a mapping by kind."""
    item = section_schema(catalog, "augment", defs)
    options: Schema = {"type": ["object", "boolean", "null"]}
    return {
        "type": ["string", "array", "object", "null"],
        "items": {"anyOf": [TEXT, item | {"required": ["kind"]}]},
        "additionalProperties": options,
    }


def options_schema(spec: type[BaseModel], title: str, defs: Schema) -> Schema:
    """Make the schema of a spec's options; none is required, as entries may inherit."""
    try:
        schema = spec.model_json_schema(ref_template=f"#/$defs/{title}.{{model}}")
    except PydanticUserError:
        return {"type": "object", "properties": {}}  # an option has a type that JSON schema cannot express
    for name, nested in schema.pop("$defs", {}).items():
        defs[f"{title}.{name}"] = drop_titles(nested)
    return drop_titles(schema)


def drop_titles(schema: Schema) -> Schema:
    """Remove the titles and other keys that pydantic adds for forms."""
    properties = {
        name: {key: value for key, value in each.items() if key != "title"}
        for name, each in schema.get("properties", {}).items()
    }
    kept = {key: value for key, value in schema.items() if key not in {"title", "required", "description"}}
    return kept | {"properties": properties} if "properties" in schema or schema.get("type") == "object" else schema
