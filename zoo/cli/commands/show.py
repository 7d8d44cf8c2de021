"""`zoo show`: one entry, its options and its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, NAME, OVERRIDES, REGISTRY, read_words
from zoo.cli.views.inline import show_inline
from zoo.cli.views.pages import check_out
from zoo.core.errors import DataError, ZooError
from zoo.core.spec import yaml_scalar
from zoo.display.format import format_bytes, format_value
from zoo.registry.data_source import with_data
from zoo.registry.description import EntryDescription, OptionDescription
from zoo.registry.listing import load_entry, show
from zoo.registry.raw_entry import typed_options


@click.command("show", cls=Command)
@NAME
@OVERRIDES
@DATA
@click.option("--options", "only_options", is_flag=True, help="Show only the options, with types and meanings.")
@click.option("--augmented", is_flag=True, help="Write a page of training pictures as the entry augments them.")
@click.option("-o", "--out", metavar="FILE.png", help="With --augmented: the page; default NAME-augmented.png.")
@REGISTRY
@click.pass_obj
def show_command(
    screen: Screen,
    /,
    name: str,
    overrides: tuple[str, ...],
    data: str | None,
    only_options: bool,
    augmented: bool,
    out: str | None,
    registries: tuple[str, ...],
) -> None:
    """Show one entry: its options, parameters, FLOPs and results; or its training pictures as augmented."""
    words = with_data(*read_words(screen, data, overrides))
    if augmented:
        if only_options:
            raise ZooError("--options has no effect with --augmented", "give one of them")
        return show_augmented(screen, name, words, registries, out)
    if out is not None:
        raise ZooError("-o has no effect without --augmented", "give --augmented too")
    names_stage = any(option.startswith("train.stages.") for option in typed_options(words))
    try:
        about = show(name, words, registries, measure=names_stage or not only_options)
    except DataError as error:
        screen.note(f"parameters and FLOPs are unknown: {error}")
        about = show(name, words, registries, measure=False)
    if screen.json:
        return screen.document(about.to_dict())
    if only_options:
        return show_options(screen, about.options)
    return show_entry(screen, about)


def show_augmented(screen: Screen, name: str, words: list[str], registries: tuple[str, ...], out: str | None) -> None:
    """Write a page of training pictures, each beside several draws of its augmentation, and print where it is."""
    check_out(out)
    show(name, words, registries)  # refuses what a training would refuse
    from zoo.training.augmented import augmented_page

    page = augmented_page(load_entry(name, words, registries))
    path = out or f"{name}-augmented.png"
    page.save(path)
    rows, columns = page.pictures.shape[:2]
    if screen.json:
        return screen.document({"entry": name, "grid": path, "pictures": rows, "draws": columns - 1})
    screen.line(f"{path}: {rows} pictures, each as it is and {columns - 1} times as augmented")
    return show_inline(screen, path)


def show_options(screen: Screen, options: list[OptionDescription]) -> None:
    """Print every option with its value in the entry, default, type, search range and meaning."""
    heads = ["option", "value", "default", "type", "search", "meaning"]
    rows = [
        (
            option.name,
            value_in_entry(option),
            yaml_scalar(option.default),
            option.type,
            option.search or "",
            option.help,
        )
        for option in options
    ]
    screen.table(heads, rows)


def value_in_entry(option: OptionDescription) -> str:
    """Format the value of an option; tune.space is shown in the "search" column instead."""
    return 'see "search" column' if option.name == "tune.space" and option.value else yaml_scalar(option.value)


def show_entry(screen: Screen, about: EntryDescription) -> None:
    """Print what an entry is, the options it sets, and its results."""
    screen.line(f"{about.name}: {about.summary}" if about.summary else about.name)
    screen.line(f"kind {about.kind} from {about.plugin}, hash {about.hash}")
    if about.parameters is not None and about.shape is not None:
        shape = "x".join(map(str, about.shape))
        flops = "" if about.flops is None else f", {about.flops / 1e6:,.4g} MFLOP per picture"
        data = about.spec["data"]["kind"]
        screen.line(f"{about.parameters:,} parameters{flops} on {shape} pictures of {data}")
    defaults = {option.name: option.default for option in about.options}
    values = dict(options_and_sections(about.spec))
    set_here = [
        (name, yaml_scalar(values[name]), yaml_scalar(old))
        for name, old in defaults.items()
        if values.get(name, old) != old and name != "tune.space"  # the options that it names say it in their own lines
    ]
    kinds = [(key, values[key], "") for key in ("data.kind", "prior.kind", "text.kind") if key in values]
    screen.line()
    screen.table(["option", "value", "default"], [*kinds, *set_here])
    if about.results:
        screen.line()
        show_results(screen, about.results)
    if about.weights:
        screen.line()
        show_weights(screen, about.weights)
    screen.note(f"all options: zoo show {about.name} --options; next: zoo train {about.name}")


def show_results(screen: Screen, results: list[dict[str, Any]]) -> None:
    """Print the recorded results, oldest first."""
    heads = ["when", "data", "split", "seed", "metrics", "parameters", "minutes", "device", ""]
    rows = []
    for row in results:
        metrics = ", ".join(f"{name} {format_value(value)}" for name, value in dict(row.get("metrics") or {}).items())
        metrics += f", mean of {row['averaging']}" if row.get("averaging") else ""
        cells = [
            format_value(row.get(key, ""))
            for key in ("when", "data", "split", "seed", "parameters", "minutes", "device")
        ]
        rows.append([*cells[:4], metrics, *cells[4:], "stale" if row["stale"] else ""])
    screen.table(heads, rows, right=[3, 5, 6])


def show_weights(screen: Screen, weights: list[dict[str, Any]]) -> None:
    """Print the weights that are shipped, with which the entry can be used without training."""
    heads = ["weights", "classes", "pictures", "metrics on the test split", "size", "license", "plugin", ""]
    rows = [
        (
            row["name"],
            len(row["classes"]) or "",
            "x".join(map(str, row["shape"])),
            ", ".join(f"{name} {format_value(value)}" for name, value in row["metrics"].items()),
            format_bytes(row["size"]),
            row["license"],
            row["plugin"],
            "stale" if row["stale"] else "",
        )
        for row in weights
    ]
    screen.table(heads, rows, right=[1, 4])


def options_and_sections(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield every value by its dotted name; mappings also whole, since an option may be a mapping."""
    for key, value in values.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from options_and_sections(value, f"{prefix}{key}.")
