"""The commands as a shell needs them, built from kept names: each parameter knows what may stand in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from zoo.cli.completion.index import Names, folder_names, known_names
from zoo.core.files import LEGAL_NAME
from zoo.runs.names import find_folder, newest_runs

DEVICES = ("auto", "cpu", "cuda", "mps")
NUMBERED = re.compile(rf"({LEGAL_NAME.pattern})-[0-9]+")
"""The folder of a run that was given no other name; the rest is its entry's."""
Found = Iterable[tuple[str, str]]
"""What may stand there, each with a few words on it."""


def skeleton() -> click.Group:
    """`zoo` and its commands, none of which can be run."""
    names = known_names()
    group = click.Group("zoo", params=parameters("", names), invoke_without_command=True)
    for name, about in names["commands"].items():
        if name:
            group.add_command(click.Command(name, params=parameters(name, names), help=about["help"]))
    return group


def parameters(command: str, names: Names) -> list[click.Parameter]:
    """The parameters of a command."""
    return [parameter(about, Slot(command, about, names)) for about in names["commands"][command]["params"]]


def parameter(about: dict[str, Any], slot: Slot) -> click.Parameter:
    """One parameter."""
    if "opts" not in about:
        return click.Argument([about["name"]], type=slot, nargs=about["nargs"], required=False)
    options: dict[str, Any] = {"is_flag": True} if about["flag"] else {"type": slot, "nargs": about["nargs"]}
    return click.Option([*about["opts"], about["name"]], multiple=about["multiple"], help=about["help"], **options)


class Slot(click.ParamType[str]):
    """The place of a parameter on the command line."""

    name = "text"

    def __init__(self, command: str, about: dict[str, Any], names: Names) -> None:
        self.command, self.about, self.names = command, about, names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is typed."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """What may stand there; `dir` and `file` leave it to the shell."""
        kind = kind_of(self.about)
        if kind in ("file", "dir"):
            return [CompletionItem(incomplete, type=kind)]
        paths = [CompletionItem(incomplete, type="file")] if kind == "data" else []
        found = dict(reversed(list(OFFERS[kind](self, ctx, incomplete)))) if kind else {}
        given = [(value, text) for value, text in reversed(found.items()) if value.startswith(incomplete)]
        return [*paths, *(CompletionItem(value, help=text or None) for value, text in given)]

    def choices(self, ctx: click.Context, incomplete: str) -> Found:
        """One of a few words."""
        return [(str(choice), "") for choice in self.about["choices"]]

    def entry(self, ctx: click.Context, incomplete: str) -> Found:
        """Entries."""
        return [(name, about["summary"]) for name, about in self.names["entries"].items()]

    def run(self, ctx: click.Context, incomplete: str) -> Found:
        """Runs, studies, and entries that have a run; below `runs/` if so begun."""
        before = "runs/" if incomplete.startswith("runs/") else ""
        found = [(before + name, what) for name, what in folder_names() if what != "comparison"]
        runs = [name for name, what in found if what == "run"]
        bases = dict.fromkeys(match[1] for name in runs if (match := NUMBERED.fullmatch(name)))
        return found if before else [*found, *((name, "its newest run") for name in bases)]

    def study(self, ctx: click.Context, incomplete: str) -> Found:
        """Studies."""
        return [(name, "") for name, what in folder_names() if what == "study"]

    def comparison(self, ctx: click.Context, incomplete: str) -> Found:
        """Comparisons."""
        return [(name, "") for name, what in folder_names() if what == "comparison"]

    def data(self, ctx: click.Context, incomplete: str) -> Found:
        """Kinds of pictures; paths are the shell's."""
        return [(name, "") for name in self.names["kinds"].get("data", {})]

    def judge(self, ctx: click.Context, incomplete: str) -> Found:
        """Kinds of judges, entries and runs."""
        kinds = [(name, "judge") for name in (*self.names["kinds"].get("judge", {}), "none")]
        return [*kinds, *self.entry(ctx, incomplete), *self.run(ctx, incomplete)]

    def device(self, ctx: click.Context, incomplete: str) -> Found:
        """Devices."""
        return [(name, "") for name in DEVICES]

    def plugin(self, ctx: click.Context, incomplete: str) -> Found:
        """Plugins."""
        return [(name, "") for name in self.names["plugins"]]

    def subject(self, ctx: click.Context, incomplete: str) -> Found:
        """Plugins and kinds."""
        kinds = [(name, family) for family, known in self.names["kinds"].items() for name in known]
        return [*((name, "plugin") for name in self.names["plugins"]), *kinds]

    def override(self, ctx: click.Context, incomplete: str) -> Found:
        """`section.option=`, or values after it; `zoo compare` takes several with commas between them."""
        options = self.options(ctx)
        key, equals, value = incomplete.partition("=")
        if equals:
            before, comma, _ = value.rpartition(",") if self.command == "compare" else ("", "", "")
            used = before.split(",")
            return [(f"{key}={before}{comma}{word}", "") for word in options.get(key, ()) if word not in used]
        depth = incomplete.count(".") + 1
        parts = [name.split(".") for name in options if name.startswith(incomplete)]
        return [(".".join(part[:depth]) + ("." if len(part) > depth else "="), "") for part in parts]

    def options(self, ctx: click.Context) -> dict[str, list[str]]:
        """Every option of the entry or the run on the line, with its values where they are few."""
        known = self.names["kinds"]
        chosen = {"data": "digits"} | self.parts(ctx)
        for word in ctx.params.get("overrides") or ():
            section, dot, kind = word.partition(".kind=")
            chosen |= {section: kind} if dot else {}
        for family in ("model", "prior"):
            chosen = known.get(family, {}).get(chosen.get(family), {}).get("beside", {}) | chosen
        found = {f"{family}.kind": list(known.get(family, {})) for family in chosen}
        sections = {family: known.get(family, {}).get(kind, {}).get("options", {}) for family, kind in chosen.items()}
        for section, few in (sections | self.names["options"]).items():
            found |= {f"{section}.{name}": values for name, values in few.items()}
        return found

    def parts(self, ctx: click.Context) -> dict[str, str]:
        """The kinds of the parts of the entry or the run on the line."""
        if name := ctx.params.get("name"):
            return dict(self.names["entries"].get(name, {}).get("kinds", {}))
        path = run_folder(str(ctx.params.get("run")))
        written = json.loads((path / "entry.json").read_text(encoding="utf-8"))
        return {key: part["kind"] for key, part in written.items() if isinstance(part, dict) and "kind" in part}


def run_folder(text: str) -> Path:
    """The run that a text names, as `find_run` takes it, without a look at whether it is whole."""
    return find_folder(text) or newest_runs(text)[0]


OFFERS: dict[str, Callable[[Slot, click.Context, str], Found]] = {
    "choices": Slot.choices,
    "comparison": Slot.comparison,
    "data": Slot.data,
    "device": Slot.device,
    "entry": Slot.entry,
    "judge": Slot.judge,
    "override": Slot.override,
    "plugin": Slot.plugin,
    "run": Slot.run,
    "study": Slot.study,
    "subject": Slot.subject,
}
BY_NAME = {"name": "entry", "overrides": "override", "no_plugin": "plugin"}
"""Parameters whose names say something else than what stands in their place."""
BY_METAVAR = {"FILE": "file", "FILE.png": "file", "PICTURE": "file", "FOLDER": "file", "DIR": "dir", "PLUGIN": "plugin"}


def kind_of(about: dict[str, Any]) -> str:
    """What stands in the place of a parameter; empty where nobody can know it."""
    if about["choices"]:
        return "choices"
    words = re.findall(r"[A-Za-z.]*[A-Za-z]", about["metavar"] or "")
    name = BY_NAME.get(about["name"], about["name"])
    return name if name in OFFERS else next((BY_METAVAR[word] for word in words if word in BY_METAVAR), "")
