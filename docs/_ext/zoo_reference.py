"""The generated parts of the reference, as Markdown: command line, options, kinds, conformance rules, public API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module

import click
import zoo_sources as sources

MARK = re.compile(r"^<!-- generated: ([a-z]+)(?: of ([\w-]+))? -->$", re.MULTILINE)
"""Where a page wants a generated part, as `<!-- generated: kinds of model -->`."""


def filled(text: str) -> str:
    """A page with every generated part that it asks for."""
    return MARK.sub(lambda found: part(found[1], found[2]), text)


def part(name: str, argument: str | None) -> str:
    """One generated part by its name."""
    return PARTS[name](argument) if argument else PARTS[name]()


def command_line() -> str:
    """The options that all commands have, and a section for each command with its own arguments and options."""
    found = [(name, command, context, records(command, context)) for name, command, context in sources.commands()]
    shared = [row for row in found[0][3] if all(row in rows for *_, rows in found)]
    lines = [*table(("option of every command", "meaning"), map(shown, shared))]
    for name, command, context, rows in found:
        own = [row for row in rows if row not in shared]
        lines += one_command(name, command, context, own)
    return "\n".join(lines)


def records(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """The options of a command and the arguments that have a help text, with it."""
    found = (each.get_help_record(context) for each in command.get_params(context))
    return [record for record in found if record and record[1]]


def shown(record: tuple[str, str]) -> tuple[str, str]:
    """An option and its meaning as cells."""
    return code(record[0]), prose(record[1])


def one_command(
    name: str, command: click.Command, context: click.Context, rows: Iterable[tuple[str, str]]
) -> Iterator[str]:
    """Yield the lines of the section of one command."""
    usage = " ".join(["zoo", name, *command.collect_usage_pieces(context)])
    yield from (f"## zoo {name}", "", f"```console\n{usage}\n```", "", *paragraphs(command.help or ""))
    if rows:
        yield from table(("option", "meaning"), map(shown, rows))


def options_of(family: str) -> str:
    """A section for each kind of a family, with a table of its options; for `sections` those of train and tune."""
    found = (
        [(name, "", spec) for name, spec in sources.SECTIONS.items()]
        if family == "sections"
        else [(f"{family}.kind={kind.name}", kind.summary, kind.spec) for _, kind in sources.kinds(family)]
    )
    return "\n".join(line for title, summary, spec in found for line in one_spec(title, summary, spec))


def one_spec(title: str, summary: str, spec: type) -> Iterator[str]:
    """Yield the lines of the section of a kind, or of a section of an entry."""
    yield from (f"### `{title}`", "", *([sentence(summary), ""] if summary else []))
    rows = [
        (code(each.name), code(each.type), default(each), code(str(each.search or "")), prose(each.help))
        for each in sources.options(spec)
    ]
    if rows:
        yield from table(("option", "type", "default", "searched by `zoo tune`", "meaning"), rows)
    else:
        yield from ("It has no options.", "")


def default(option: sources.Option) -> str:
    """The default of an option as YAML has it."""
    if option.required:
        return "required"
    return code(json.dumps(option.default) if is_word(option.default) else str(option.default))


def is_word(value: object) -> bool:
    """Whether YAML writes a value in another way than Python."""
    return value is None or value == "" or isinstance(value, bool | list)


def kinds_of(family: str) -> str:
    """The table of the zoo's own kinds of a family."""
    rows = [(code(kind.name), code(plugin), prose(kind.summary)) for plugin, kind in sources.kinds(family)]
    return "\n".join(table(("kind", "plugin", "what it is"), rows))


def rules_of(family: str) -> str:
    """The table of the conformance rules that a kind of a family has to keep; for `plugin` those of a whole plugin."""
    rows = [(code(rule.name), prose(rule.text)) for rule in sources.rules() if family in rule.families]
    return "\n".join(table(("rule", "what it asks"), rows))


def all_rules() -> str:
    """The table of all conformance rules."""
    rows = [(code(rule.name), ", ".join(sorted(rule.families)), prose(rule.text)) for rule in sources.rules()]
    return "\n".join(table(("rule", "applies to", "what it asks"), rows))


def public_api() -> str:
    """A section for each public module, each name described once: where it is met first."""
    seen: set[int] = set()
    return "\n".join(line for module, names in sources.public().items() for line in one_module(module, names, seen))


def one_module(module: str, names: Sequence[str], seen: set[int]) -> Iterator[str]:
    """Yield the lines of the section of one public module."""
    about = (import_module(module).__doc__ or "").partition("\n")[0]
    yield from (f"## `{module}`", "", prose(about), "")
    again = []
    for name in names:
        thing = getattr(import_module(module), name)
        if callable(thing) and id(thing) in seen:
            again.append(code(name))
            continue
        seen.add(id(thing))
        yield from ("```{eval-rst}", f".. {directive(thing)}:: {module}.{name}", *members(thing), "```", "")
    if again:
        yield from (f"Also here, as described above: {', '.join(again)}.", "")


def directive(thing: object) -> str:
    """The directive of autodoc for a thing."""
    if isinstance(thing, type):
        return "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return "autofunction" if hasattr(thing, "__code__") else "autodata"


def members(thing: object) -> list[str]:
    """The options of the directive: a class is shown with its members, and its bases if it has any."""
    if not isinstance(thing, type):
        return []
    return ["   :members:"] + ["   :show-inheritance:"] * (thing.__bases__ != (object,))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield from (line(heads), line(["---"] * len(heads)), *map(line, rows), "")


def line(cells: Iterable[str]) -> str:
    """A row of a Markdown table; a `|` in a cell is escaped."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def paragraphs(text: str) -> list[str]:
    """A help text of click as Markdown paragraphs."""
    return [line for part in re.split(r"\n\s*\n", text.strip()) for line in (prose(part), "")]


def code(text: str) -> str:
    """A text as code; an empty one stays empty."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A text of plain words, safe from being read as markup outside of its own backticks."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(each if each.startswith("`") else re.sub(r"([\\*_<>\[\]#$])", r"\\\1", each) for each in parts)


def sentence(text: str) -> str:
    """A summary as a sentence: a capital first, a full stop last."""
    return prose(text[:1].upper() + text[1:]).rstrip(".") + "."


PARTS: dict[str, Callable[..., str]] = {
    "commands": command_line,
    "options": options_of,
    "kinds": kinds_of,
    "rules": lambda family=None: rules_of(family) if family else all_rules(),
    "api": public_api,
}
