"""Write a plugin package from templates; it installs, trains and passes zoo check without changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from zoo.core.errors import ZooError
from zoo.core.files import check_name, expand_user, write_text
from zoo.core.temporary_folder import place_new_folder, temporary_folder
from zoo.core.version import __version__
from zoo.registry.catalog import catalog
from zoo.registry.listing import load_registry
from zoo.registry.plugins.load import KEBAB_CASE

MAX_NAME_LENGTH = 30
"""Maximum length of a plugin's name, so that lines of its code stay within 120 characters."""
YAML_WORDS = {"true", "false", "null"}


@dataclass(frozen=True)
class Part:
    """The names of one part of a plugin: kind family, module, and a description."""

    family: str
    module: str
    what: str


PARTS = {
    "model": Part("model", "cnn", "a classifier"),
    "codec": Part("model", "vae", "an autoencoder"),
    "prior": Part("prior", "mixture", "a prior"),
    "text": Part("text", "ngrams", "a text encoder"),
    "data": Part("data", "stripes", "pictures"),
    "metric": Part("metric", "margin", "a metric"),
    "augment": Part("augment", "scratch", "an augmentation"),
}


@dataclass(frozen=True)
class PluginPlan:
    """The plan of a new plugin: its name, and the parts it provides in the order of PARTS."""

    name: str
    parts: tuple[str, ...]

    @property
    def package(self) -> str:
        """Name of the Python package."""
        return f"zoo_{self.name.replace('-', '_')}"

    @property
    def test(self) -> str:
        """Name of the test file."""
        return f"test_{self.name.replace('-', '_')}.py"

    def kind(self, part: str) -> str:
        """Return the name of the kind that a part provides."""
        return f"{self.name}-{PARTS[part].module}"

    def kind_or(self, part: str, other: str) -> str:
        """Return the plugin's kind for a part, or `other` if the plugin has no such part."""
        return self.kind(part) if part in self.parts else other

    @property
    def generator(self) -> str:
        """Name of the generator's entry; empty without one."""
        if not {"codec", "prior", "text"} & set(self.parts):
            return ""
        return f"{self.name}-generator" if self.classifier else self.name

    @property
    def classifier(self) -> str:
        """Name of the classifier's entry; empty without one."""
        return self.name if {"model", "metric", "augment"} & set(self.parts) or self.parts == ("data",) else ""

    @property
    def entries(self) -> list[str]:
        """Names of the plugin's registry entries."""
        return [entry for entry in (self.classifier, self.generator) if entry]

    @property
    def marks(self) -> set[str]:
        """Names of the template sections to include."""
        entries = {"classifier": self.classifier, "generator": self.generator}
        return {*self.parts, *(word for word, entry in entries.items() if entry)}

    @property
    def words(self) -> dict[str, str]:
        """Values of the templates' variables."""
        *most, last = [PARTS[part].what for part in self.parts]
        return {
            "name": self.name,
            "distribution": f"zoo-{self.name}",
            "package": self.package,
            "zoo": __version__,
            "gives": f"{', '.join(most)} and {last}" if most else last,
            "data": self.kind_or("data", "digits"),
            "prompt": "rising" if "data" in self.parts else "three",
            "model": self.kind_or("model", "cnn"),
            "codec": self.kind_or("codec", "vae"),
            "prior": self.kind_or("prior", "flow"),
            "generator": self.generator,
            "test": self.test,
        }

    def files(self) -> dict[str, str]:
        """Map each file of the package to its template."""
        source = f"src/{self.package}"
        modules = [PARTS[part].module for part in self.parts]
        return {
            "README.md": "README.md",
            ".gitignore": "gitignore",
            "pyproject.toml": "pyproject.toml",
            f"{source}/__init__.py": "hooks.py",
            f"{source}/spec.py": "spec.py",
            f"{source}/py.typed": "py.typed",
            **{f"{source}/{module}.py": f"{module}.py" for module in modules},
            f"{source}/entries.yaml": "entries.yaml",
            f"tests/{self.test}": "test.py",
        }


@dataclass(frozen=True)
class NewPlugin:
    """A plugin package that was created."""

    plan: PluginPlan
    folder: Path
    files: list[Path]


def new_plugin(name: str, parts: Iterable[str] = ("model",), out: str | Path | None = None) -> NewPlugin:
    """Create the package `zoo-NAME` in a new or empty folder, by default of the same name.

    Raises ZooError if the name is taken or not lower-case words joined by '-', or if the folder is not empty.
    """
    wanted = set(parts)
    plan = PluginPlan(name, tuple(part for part in PARTS if part in wanted))
    check_plan(plan)
    folder = expand_user(out or f"zoo-{name}")
    texts = {path: render(template, plan.marks, plan.words) for path, template in plan.files().items()}
    new = not folder.exists()
    if not new and (not folder.is_dir() or any(folder.iterdir())):
        raise ZooError(f"{folder} already exists and is not empty", "choose another folder with --out")
    with temporary_folder(folder) if new else nullcontext(folder) as work:
        for path, text in texts.items():
            write_text(work / path, text)
        if new:
            place_new_folder(work, folder)
    return NewPlugin(plan, folder, [folder / path for path in texts])


def check_plan(plan: PluginPlan) -> None:
    """Raise ZooError if the plugin's name is not allowed."""
    name = plan.name
    check_name(name, "the plugin name")
    if name.startswith("zoo-"):
        raise ZooError(f"the package name gets the prefix zoo- anyway; use just {name.removeprefix('zoo-')!r}")
    if not (KEBAB_CASE.fullmatch(name) and name[0].isalpha()) or name in YAML_WORDS or len(name) > MAX_NAME_LENGTH:
        rule = (
            f"made of lower-case words joined by '-', starting with a letter, at most {MAX_NAME_LENGTH} characters long"
        )
        raise ZooError(f"the plugin name {name!r} is not {rule}", "an example: color-jitter")
    check_names_free(plan)


def check_names_free(plan: PluginPlan) -> None:
    """Raise ZooError if a name is taken by something installed, or would hide it."""
    for plugin in catalog().plugins:
        if plugin.name == plan.name:
            raise ZooError(f"there is already a {plugin}", "choose another name, or uninstall it")
    if find_spec(plan.package):
        raise ZooError(f"there is already a module {plan.package}", "choose another name, or uninstall it")
    for part in plan.parts:
        family, kind = PARTS[part].family, plan.kind(part)
        if kind in catalog().names(family):
            giver, _ = catalog().find(family, kind)
            raise ZooError(f"{giver} already provides the {family} kind {kind!r}", "choose another name")
    taken = load_registry()[0].entries
    for entry in plan.entries:
        if entry in taken:
            raise ZooError(
                f"there is already an entry {entry!r}, which this plugin's entry would hide", "choose another name"
            )


LINE_LENGTH = 120
PART_MARK = "#:"
"""Starts a template line that lists the parts for which the lines below are included; alone, for all."""
IMPORT = re.compile(r"^( *from \S+ import )\(\n((?: *\w+,\n)*) *\)\n", re.MULTILINE)


def render(template: str, parts: set[str], words: Mapping[str, str]) -> str:
    """Render a template for some parts, with `$word` variables replaced; KeyError for an unknown variable."""
    text = (files("zoo.cli.new_plugin") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    lines = [*select_lines(text.splitlines(), parts), ""]
    return IMPORT.sub(join_import, Template("\n".join(lines)).substitute(words))


def select_lines(lines: Iterable[str], parts: set[str]) -> Iterator[str]:
    """Yield the template lines that belong to all or one of the parts."""
    selected = True
    for line in lines:
        if line.startswith(PART_MARK):
            wanted = line.removeprefix(PART_MARK).split()
            selected = not wanted or not parts.isdisjoint(wanted)
        elif selected:
            yield line


def join_import(match: re.Match[str]) -> str:
    """Put an import on one line if it fits; drop it if no name is left."""
    names = " ".join(match[2].split()).removesuffix(",")
    line = f"{match[1]}{names}\n"
    return "" if not names else line if len(line) <= LINE_LENGTH + 1 else match[0]
