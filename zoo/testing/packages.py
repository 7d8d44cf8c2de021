"""Rules of plugins as a whole: their import and the entries that they ship."""

from __future__ import annotations

from contextlib import suppress

from zoo.core.errors import ZooError
from zoo.registry.catalog import ShippedWeights, catalog
from zoo.registry.entry import resolve_entry
from zoo.registry.layers import Registry, add_plugin, installed_registry
from zoo.registry.plugins.load import import_plugin
from zoo.registry.plugins.probe import IMPORT_TIMEOUT, Probes
from zoo.registry.plugins.probe_cache import KindSummary, ProbeResult
from zoo.runs.shipped import is_stale, open_shipped
from zoo.testing.building import model_and_batch
from zoo.testing.check import NotRun, Subject
from zoo.testing.figures import compute_metric, example_outputs
from zoo.testing.pictures import load_data
from zoo.testing.rule import PLUGIN, Broken, Inapplicable, require, rule
from zoo.testing.stages import LEARNERS


@rule(PLUGIN)
def loads(subject: Subject) -> None:
    """It can be imported, and its hooks yield kinds, entries or weights."""
    plugin = subject.plugin
    if plugin.blocked:
        raise NotRun(plugin.trouble, f"drop {plugin.blocked}")
    require(not plugin.error, plugin.error)
    require(plugin.kinds or plugin.registries or plugin.weights, "its hooks yield nothing")


@rule(PLUGIN)
def light_import(subject: Subject) -> None:
    """The hook module imports neither torch nor other large libraries; `build` may, since listings do not call it."""
    heavy = probe_result(subject).heavy
    require(not heavy, f"importing it imports {', '.join(heavy)}; import that in `build`, `load` or `compute`")


@rule(PLUGIN)
def quiet_import(subject: Subject) -> None:
    """Importing prints nothing and changes no global state."""
    result = probe_result(subject)
    require(not result.printed, f"importing it prints {result.printed!r}, which breaks `--json`")
    require(not result.changed, f"importing it changes {', '.join(result.changed)}")


def probe_result(subject: Subject) -> ProbeResult:
    """Probe a plugin in a separate process, or read the cached result."""
    plugin = subject.plugin
    record = plugin.probe_record
    if (result := record.read()) is None:
        probing = Probes([record])
        probing.wait(IMPORT_TIMEOUT)
        result = probing.records[0].read()
    if result is None:
        raise NotRun("cannot start a process to import it in", "check memory and disk")
    require(not result.error, f"imported in a separate process: {result.error}")
    return result


@rule(PLUGIN)
def same_hooks(subject: Subject) -> None:
    """Called again after everything is imported, its hooks yield the same kinds."""
    before = subject.plugin.kind_summaries
    for kind in subject.plugin.kinds:
        with suppress(Exception, SystemExit):  # other rules check the build; here it only imports modules
            build_or_load(Subject(subject.plugin, subject.prefix, kind))
    assert subject.plugin.point is not None
    try:
        after = [
            KindSummary(kind.family, kind.name, kind.summary) for kind in import_plugin(subject.plugin.point).kinds
        ]
    except Exception as error:
        hint = "does a function of the hook module share its name with a module of the package, which replaces it?"
        raise Broken(f"called again, its hooks raise {type(error).__name__}: {error}; {hint}") from error
    others = [kind.name for kind in before if kind not in after]
    require(not others, f"called again, its hooks yield a different {', '.join(others)}, or none")


def build_or_load(subject: Subject) -> None:
    """Build, load or compute the kind, so that its modules are imported."""
    if subject.family == "data":
        load_data(subject)
    elif subject.family in LEARNERS:
        model_and_batch(subject)
    elif subject.family == "metric":
        compute_metric(subject, next(iter(example_outputs().values())))


@rule(PLUGIN)
def entries(subject: Subject) -> None:
    """Every entry in its registry files has a summary and can be used."""
    if not subject.plugin.registries:
        raise Inapplicable("it ships no entries; zoo_registries would yield them")
    own = Registry()
    problems = add_plugin(own, subject.plugin)
    require(not problems, "; ".join(problems))
    others = [plugin for plugin in catalog().plugins if plugin is not subject.plugin]
    # The registry without user files: their entries of the same name would hide those of the plugin.
    whole, _ = installed_registry([*others, subject.plugin])
    for name in own.entries:
        raw = whole.resolve(name)
        require(raw.data.get("summary"), f"the entry {name} has no summary; `zoo list` shows it")
        try:
            resolve_entry(raw)
        except ZooError as error:
            raise Broken(f"the entry {name} cannot be used: {error}") from error


@rule(PLUGIN)
def weights(subject: Subject) -> None:
    """The file of each of its weights is whole, belongs to the entry that it names, and loads into its model."""
    if not subject.plugin.weights:
        raise Inapplicable("it ships no weights; zoo_weights would yield them")
    for each in subject.plugin.weights:
        try:
            open_shipped(ShippedWeights(each, subject.plugin)).model()
        except ZooError as error:
            raise Broken(f"the weights {each.name} cannot be used: {error}") from error
        require(not is_stale(each), f"the weights {each.name} are stale: the entry {each.entry} has changed since")
