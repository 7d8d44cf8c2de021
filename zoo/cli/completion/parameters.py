"""The commands rebuilt from cached names for completion: each parameter suggests its values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from zoo.cli.completion.index import Names, cached_names, list_run_folders
from zoo.core.files import LEGAL_NAME
from zoo.runs.names import find_folder, newest_runs

DEVICES = ("auto", "cpu", "cuda", "mps")
AUGMENT_LIST = "train.augment.then"
NUMBERED_RUN = re.compile(rf"({LEGAL_NAME.pattern})-[0-9]+")
"""Name of a run folder made from its entry's name."""
Suggestions = Iterable[tuple[str, str]]
"""Suggested values, each with a short description."""


def make_group() -> click.Group:
    """Build `zoo` and its commands for completion only; they cannot be run."""
    names = cached_names()
    group = click.Group("zoo", params=make_parameters("", names), invoke_without_command=True)
    for name, about in names["commands"].items():
        if name:
            group.add_command(click.Command(name, params=make_parameters(name, names), help=about["help"]))
    return group


def make_parameters(command: str, names: Names) -> list[click.Parameter]:
    """Build the parameters of a command."""
    return [
        make_parameter(about, CompletedType(command, about, names)) for about in names["commands"][command]["params"]
    ]


def make_parameter(about: dict[str, Any], slot: CompletedType) -> click.Parameter:
    """Build one parameter."""
    if "opts" not in about:
        return click.Argument([about["name"]], type=slot, nargs=about["nargs"], required=False)
    options: dict[str, Any] = {"is_flag": True} if about["flag"] else {"type": slot, "nargs": about["nargs"]}
    return click.Option([*about["opts"], about["name"]], multiple=about["multiple"], help=about["help"], **options)


class CompletedType(click.ParamType[str]):
    """A parameter type that suggests values for its parameter."""

    name = "text"

    def __init__(self, command: str, about: dict[str, Any], names: Names) -> None:
        self.command, self.about, self.names = command, about, names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value unchanged."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Suggest values; files and folders are left to the shell."""
        kind = suggestion_kind(self.about)
        if kind in ("file", "dir"):
            return [CompletionItem(incomplete, type=kind)]
        paths = [CompletionItem(incomplete, type="file")] if kind == "data" else []
        found = dict(reversed(list(SUGGESTERS[kind](self, ctx, incomplete)))) if kind else {}
        given = [(value, text) for value, text in reversed(found.items()) if value.startswith(incomplete)]
        return [*paths, *(CompletionItem(value, help=text or None) for value, text in given)]

    def choices(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest the choices of a parameter."""
        return [(str(choice), "") for choice in self.about["choices"]]

    def entry(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest entries."""
        return [(name, about["summary"]) for name, about in self.names["entries"].items()]

    def run(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest runs, studies, shipped weights, and entries that have a run or weights; also what can be reported.

        With `runs/` if the word starts with it.
        """
        before = "runs/" if incomplete.startswith("runs/") else ""
        other = set() if self.command == "report" else {"comparison"}
        found = [(before + name, what) for name, what in list_run_folders() if what not in other]
        runs = [name for name, what in found if what == "run"]
        bases = dict.fromkeys(match[1] for name in runs if (match := NUMBERED_RUN.fullmatch(name)))
        weights = dict.fromkeys(self.names["weights"], "shipped weights")
        ready = {name.partition("@")[0]: "shipped weights" for name in weights}
        newest = dict.fromkeys(bases, "its newest run")
        return found if before else [*found, *(ready | newest | weights).items()]

    def study(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest studies."""
        return [(name, "") for name, what in list_run_folders() if what == "study"]

    def comparison(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest comparisons."""
        return [(name, "") for name, what in list_run_folders() if what == "comparison"]

    def data(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest data kinds; paths are left to the shell."""
        return [(name, "") for name in self.names["kinds"].get("data", {})]

    def judge(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest judge kinds, entries and runs."""
        kinds = [(name, "judge") for name in (*self.names["kinds"].get("judge", {}), "none")]
        return [*kinds, *self.entry(ctx, incomplete), *self.run(ctx, incomplete)]

    def callback(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest callback kinds."""
        return [(name, "") for name in self.names["kinds"].get("callback", {})]

    def device(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest devices."""
        return [(name, "") for name in DEVICES]

    def plugin(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest plugins."""
        return [(name, "") for name in self.names["plugins"]]

    def subject(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest plugins and kinds."""
        kinds = [(name, family) for family, known in self.names["kinds"].items() for name in known]
        return [*((name, "plugin") for name in self.names["plugins"]), *kinds]

    def override(self, ctx: click.Context, incomplete: str) -> Suggestions:
        """Suggest `section.option=`, or values; lists and `zoo compare` accept several, separated by commas."""
        options = self.options(ctx)
        key, equals, value = incomplete.partition("=")
        if equals:
            several = self.command == "compare" or key == AUGMENT_LIST
            before, comma, _ = value.rpartition(",") if several else ("", "", "")
            used = before.split(",")
            return [(f"{key}={before}{comma}{word}", "") for word in options.get(key, ()) if word not in used]
        depth = incomplete.count(".") + 1
        parts = [name.split(".") for name in options if name.startswith(incomplete)]
        return [(".".join(part[:depth]) + ("." if len(part) > depth else "="), "") for part in parts]

    def options(self, ctx: click.Context) -> dict[str, list[str]]:
        """Return every option of the entry or run on the command line, with its values if they are few."""
        known = self.names["kinds"]
        kinds = {"data": "digits"} | self.parts(ctx)
        for word in ctx.params.get("overrides") or ():
            section, dot, kind = word.partition(".kind=")
            kinds |= {section: kind} if dot else {}
        for family in ("model", "prior"):
            kinds = known.get(family, {}).get(kinds.get(family), {}).get("beside", {}) | kinds
        found = {f"{family}.kind": list(known.get(family, {})) for family in kinds}
        sections = {family: known.get(family, {}).get(kind, {}).get("options", {}) for family, kind in kinds.items()}
        for section, few in (sections | self.names["options"]).items():
            found |= {f"{section}.{name}": values for name, values in few.items()}
        return found | {AUGMENT_LIST: [*known.get("augment", {}), "none"]}

    def parts(self, ctx: click.Context) -> dict[str, str]:
        """Return the kinds of the parts of the entry or run on the command line."""
        if name := ctx.params.get("name"):
            return dict(self.names["entries"].get(name, {}).get("kinds", {}))
        run = str(ctx.params.get("run"))
        entry, weights = run.partition("@")[0], self.names["weights"]
        shipped = run in weights or entry in {name.partition("@")[0] for name in weights}
        if shipped and not (find_folder(run) or newest_runs(run)):
            return dict(self.names["entries"].get(entry, {}).get("kinds", {}))
        path = run_folder(run)
        written = json.loads((path / "entry.json").read_text(encoding="utf-8"))
        return {key: part["kind"] for key, part in written.items() if isinstance(part, dict) and "kind" in part}


def run_folder(text: str) -> Path:
    """Return the run folder for a path or an entry's name, without checking that it is complete."""
    return find_folder(text) or newest_runs(text)[0]


SUGGESTERS: dict[str, Callable[[CompletedType, click.Context, str], Suggestions]] = {
    "callback": CompletedType.callback,
    "choices": CompletedType.choices,
    "comparison": CompletedType.comparison,
    "data": CompletedType.data,
    "device": CompletedType.device,
    "entry": CompletedType.entry,
    "judge": CompletedType.judge,
    "override": CompletedType.override,
    "plugin": CompletedType.plugin,
    "run": CompletedType.run,
    "study": CompletedType.study,
    "subject": CompletedType.subject,
}
BY_NAME = {
    "name": "entry",
    "init_from": "run",
    "from_study": "study",
    "overrides": "override",
    "no_plugin": "plugin",
    "callbacks": "callback",
}
"""Suggestions for parameters whose names differ from them."""
BY_METAVAR = {"FILE": "file", "FILE.png": "file", "PICTURE": "file", "FOLDER": "file", "DIR": "dir", "PLUGIN": "plugin"}


def suggestion_kind(about: dict[str, Any]) -> str:
    """Return which suggestions a parameter needs; empty if none are known."""
    if about["choices"]:
        return "choices"
    words = re.findall(r"[A-Za-z.]*[A-Za-z]", about["metavar"] or "")
    name = BY_NAME.get(about["name"], about["name"])
    return name if name in SUGGESTERS else next((BY_METAVAR[word] for word in words if word in BY_METAVAR), "")
