"""The generated reference has every command, option, rule and public name; pages ask for parts that exist."""

from __future__ import annotations

import pytest
import zoo_reference as reference
import zoo_sources as sources
from pages import pages


def test_every_command_has_its_options() -> None:
    text = reference.command_line()
    for name, command, context in sources.commands():
        assert f"\n## zoo {name}\n" in text
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            assert not record or not record[1] or record[0].replace("|", "\\|") in text, (name, record)
    assert text.count("--traceback") == 1, "what all commands have is said once"


@pytest.mark.parametrize("family", ["data", "model", "prior", "text"])
def test_every_kind_has_its_options(family: str) -> None:
    text = reference.options_of(family)
    for _, kind in sources.kinds(family):
        _, _, rest = text.partition(f"### `{family}.kind={kind.name}`\n")
        section = rest.partition("\n### ")[0]
        assert all(f"| `{option.name}` |" in section for option in sources.options(kind.spec)), kind.name


def test_every_family_has_kinds_and_a_page_of_its_own() -> None:
    for family in sources.FAMILIES:
        assert sources.kinds(family)
        text = pages()[f"docs/plugins/{family}.md"]
        for part in ("kinds", "rules"):
            assert f"<!-- generated: {part} of {family} -->" in text
        filled = reference.filled(text)
        assert all(f"| `{kind.name}` |" in filled for _, kind in sources.kinds(family))


def test_every_rule_is_there() -> None:
    text = reference.all_rules()
    assert all(f"| `{rule.name}` |" in text for rule in sources.rules())


def test_every_public_name_is_described_once() -> None:
    text = reference.public_api()
    for module, names in sources.public().items():
        section = text.partition(f"## `{module}`\n")[2].partition("\n## ")[0]
        assert all(f":: {module}.{name}\n" in section or f"`{name}`" in section for name in names), module


def test_pages_ask_for_parts_that_there_are() -> None:
    asked = {mark[0] for text in pages().values() for mark in reference.MARK.findall(text)}
    assert asked == reference.PARTS.keys()
    assert all("generated:" not in reference.filled(text) for text in pages().values())


def test_words_are_safe_from_being_read_as_markup() -> None:
    assert reference.prose("(N, *shape) of `a*b` <x> [y]_") == r"(N, \*shape) of `a*b` \<x\> \[y\]\_"
    assert list(reference.table(("a", "b"), [("x|y", "z")]))[2] == r"| x\|y | z |"
