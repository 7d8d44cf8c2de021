"""New plugins: a whole package rendered from the templates, which installs, trains and passes the rules as it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from zoo.cli.new_plugin.templating import render
from zoo.core.errors import ZooError
from zoo.core.files import check_name, write_text
from zoo.core.version import __version__
from zoo.registry.catalog import catalog
from zoo.registry.layers import read_registry
from zoo.registry.plugins.load import KEBAB_CASE

LONGEST = 30
"""Characters of a plugin's name; with more, lines of its code would be longer than 120."""
YAML_WORDS = {"true", "false", "null"}


@dataclass(frozen=True)
class Part:
    """What one part of a plugin is called."""

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
}


@dataclass(frozen=True)
class Plan:
    """A plugin to be: its name, and the parts that it gives, in the order of PARTS."""

    name: str
    parts: tuple[str, ...]

    @property
    def package(self) -> str:
        """The name by which it is imported."""
        return f"zoo_{self.name.replace('-', '_')}"

    @property
    def test(self) -> str:
        """The file of its tests."""
        return f"test_{self.name.replace('-', '_')}.py"

    def kind(self, part: str) -> str:
        """The kind that a part gives."""
        return f"{self.name}-{PARTS[part].module}"

    def chosen(self, part: str, other: str) -> str:
        """The kind that a part gives, or that of the zoo where the plugin has no such part."""
        return self.kind(part) if part in self.parts else other

    @property
    def generator(self) -> str:
        """The entry of a generator; empty without one."""
        if not {"codec", "prior", "text"} & set(self.parts):
            return ""
        return f"{self.name}-generator" if self.classifier else self.name

    @property
    def classifier(self) -> str:
        """The entry of a classifier; empty without one."""
        return self.name if {"model", "metric"} & set(self.parts) or self.parts == ("data",) else ""

    @property
    def entries(self) -> list[str]:
        """The entries that come with it."""
        return [entry for entry in (self.classifier, self.generator) if entry]

    @property
    def marks(self) -> set[str]:
        """What lines of the templates may be for."""
        entries = {"classifier": self.classifier, "generator": self.generator}
        return {*self.parts, *(word for word, entry in entries.items() if entry)}

    @property
    def words(self) -> dict[str, str]:
        """What stands for the words of the templates."""
        *most, last = [PARTS[part].what for part in self.parts]
        return {
            "name": self.name,
            "distribution": f"zoo-{self.name}",
            "package": self.package,
            "zoo": __version__,
            "gives": f"{', '.join(most)} and {last}" if most else last,
            "data": self.chosen("data", "digits"),
            "prompt": "rising" if "data" in self.parts else "three",
            "model": self.chosen("model", "cnn"),
            "codec": self.chosen("codec", "vae"),
            "prior": self.chosen("prior", "flow"),
            "generator": self.generator,
            "test": self.test,
        }

    def files(self) -> dict[str, str]:
        """The template of each file of the package."""
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
class Created:
    """A new package."""

    plan: Plan
    folder: Path
    files: list[Path]


def new_plugin(name: str, parts: Iterable[str] = ("model",), out: str | Path | None = None) -> Created:
    """Write the package `zoo-NAME` into a folder that is new or empty, by default of that name.

    ZooError for a name that is not lower-case words joined by '-' or is taken, and for a folder that holds something.
    """
    wanted = set(parts)
    plan = Plan(name, tuple(part for part in PARTS if part in wanted))
    check(plan)
    folder = Path(out or f"zoo-{name}").expanduser()
    texts = {folder / path: render(template, plan.marks, plan.words) for path, template in plan.files().items()}
    new = not folder.exists()
    if not new and (not folder.is_dir() or any(folder.iterdir())):
        raise ZooError(f"{folder} already exists and is not empty", "choose another folder with --out")
    try:
        for path, text in texts.items():
            write_text(path, text)
    except BaseException:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return Created(plan, folder, list(texts))


def check(plan: Plan) -> None:
    """Raise ZooError where the plugin cannot be called so."""
    name = plan.name
    check_name(name, "the plugin name")
    if name.startswith("zoo-"):
        raise ZooError(f"the package will be called zoo-NAME anyway; use just {name.removeprefix('zoo-')!r}")
    if not (KEBAB_CASE.fullmatch(name) and name[0].isalpha()) or name in YAML_WORDS or len(name) > LONGEST:
        rule = f"made of lower-case words joined by '-', starting with a letter, at most {LONGEST} characters long"
        raise ZooError(f"the plugin name {name!r} is not {rule}", "an example: color-jitter")
    check_free(plan)


def check_free(plan: Plan) -> None:
    """Raise ZooError where something installed is called so, or would no longer be found by its name."""
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
    taken = read_registry(catalog())[0].entries
    for entry in plan.entries:
        if entry in taken:
            raise ZooError(
                f"there is already an entry {entry!r}, which this plugin's entry would hide", "choose another name"
            )
