"""Rules of the options of every kind, on which `zoo show`, registry files and the tuner rely."""

from __future__ import annotations

import json

from pydantic import ValidationError

from zoo.core.errors import ZooError
from zoo.core.spec import Choice, Option, Range, Spec, options
from zoo.core.types import DataInfo
from zoo.registry.kinds import FAMILIES
from zoo.registry.model_size import build_on_meta
from zoo.testing.building import dimension_of, entry_of, info_for, model_of, random_specs, spec_of
from zoo.testing.check import Subject
from zoo.testing.rule import Broken, Inapplicable, broken_on_error, require, rule

UNKNOWN_OPTION = "no_option_has_this_name"


@rule(*FAMILIES)
def documented(subject: Subject) -> None:
    """The kind has a summary, its spec a docstring, and every option a docstring below it."""
    spec = subject.kind.spec
    require(subject.kind.summary.strip(), "the kind has no summary; `zoo plugins` shows it")
    require((spec.__dict__.get("__doc__") or "").strip(), f"{spec.__name__} has no docstring")
    silent = [option.name for option in options(spec) if not option.help]
    require(not silent, f"options without a docstring: {', '.join(silent)}; `zoo show --options` prints it")


@rule(*FAMILIES)
def closed(subject: Subject) -> None:
    """Unknown options are refused, and a spec is immutable."""
    spec = spec_of(subject)
    try:
        type(spec).model_validate(spec.model_dump() | {UNKNOWN_OPTION: 1})
    except ValidationError as error:
        refused = "extra_forbidden" in {each["type"] for each in error.errors(include_url=False)}
    else:
        refused = False
    require(refused, "the spec accepts any option, so a typo would go unnoticed; keep extra='forbid'")
    require(type(spec).model_config.get("frozen"), "the spec can be changed after validation; keep frozen=True")


@rule(*FAMILIES)
def json_round_trip(subject: Subject) -> None:
    """Options survive a round trip through JSON, the format of run folders and registry files."""
    for spec in (spec_of(subject), *random_specs(subject)):
        with broken_on_error("JSON of the spec"):
            text = json.dumps(spec.model_dump(mode="json"), allow_nan=False)
            again = type(spec).model_validate(json.loads(text))
        require(again == spec, f"{text[:200]} is read back as {again!r:.200}")


@rule(*FAMILIES)
def search_range(subject: Subject) -> None:
    """Each default lies within its search range, and the option accepts every value in it."""
    spec = subject.kind.spec
    for option in searched_options(spec):
        assert option.search is not None
        dimension_of(spec, option.name)
        inside = option.required or option.default is None or in_range(option.default, option.search)
        require(
            inside, f"the default {option.default!r} of {option.name} lies outside its search range: {option.search}"
        )


def searched_options(spec: type[Spec]) -> list[Option]:
    """List the options that the tuner searches; raise Inapplicable if there are none."""
    if not (found := [option for option in options(spec) if option.search is not None]):
        raise Inapplicable("none of its options is searched")
    return found


def in_range(value: object, mark: Range | Choice) -> bool:
    """Whether a value lies in a search range."""
    if isinstance(mark, Choice):
        return value in mark.values
    return isinstance(value, int | float) and mark.low <= value <= mark.high


@rule("model", "prior", "text")
def search_builds(subject: Subject) -> None:
    """Models can be built at random points of the search space."""
    info = info_for(subject)
    searched_options(type(spec_of(subject)))
    for spec in random_specs(subject):
        check_build(subject, spec, info)


def check_build(subject: Subject, spec: Spec, info: DataInfo) -> None:
    """Build a model with these options; raise Broken if that fails with anything but a refusal."""
    try:
        if subject.family == "model":
            build_on_meta(entry_of(subject, spec), info)
        else:
            model_of(subject, info, spec)
    except ZooError as error:
        if type(error) is ZooError:
            return  # a refusal with a reason, which a search does not count
        raise Broken(f"{spec!r:.300} cannot be built: {error}") from error
