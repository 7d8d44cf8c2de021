"""Rules of plugins as a whole: what they cost at import, and the entries that they ship."""

from __future__ import annotations

from zoo.catalog import catalog
from zoo.entry import resolve
from zoo.errors import ZooError
from zoo.registry import Registry, add_plugin, read_registry
from zoo.testing.check import Subject
from zoo.testing.rule import PLUGIN, Broken, Inapplicable, require, rule


@rule(PLUGIN)
def entries(subject: Subject) -> None:
    """Every entry of its registry files has a summary, and can be used."""
    if not subject.plugin.registries:
        raise Inapplicable("it ships no entries; zoo_registries would")
    own = Registry()
    problems = add_plugin(own, subject.plugin)
    require(not problems, "; ".join(problems))
    whole, _ = read_registry(catalog())
    for name in own.entries:
        raw = whole.resolve(name)
        require(raw.data.get("summary"), f"the entry {name} has no summary; `zoo list` shows it")
        try:
            resolve(catalog(), raw)
        except ZooError as error:
            raise Broken(f"the entry {name} cannot be used: {error}") from error
