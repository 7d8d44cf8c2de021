"""Advice on command lines that are wrong: what was probably meant, or how to say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.core.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from zoo.registry.raw_entry import RawEntry

TYPED_WORDS = "zoo.words"
"""Key under which a context keeps the words that it parsed."""
WHOLE_NUMBER = re.compile(r"a valid integer( range)?")
QUOTED = re.compile(r": '([^']*)' is not one of")
CLOSE = 0.75
"""How much an option must resemble a known one to be taken for it, from 0 to 1, dashes left out."""
OTHER_COMMANDS = {
    "train": "fit learn run resume continue start finetune retrain training",
    "evaluate": "eval validate test metrics evaluation accuracy",
    "predict": "classify infer inference prediction label",
    "explain": "heatmap saliency gradcam cam attribution",
    "sample": "generate gen draw create samples synthesize imagine",
    "list": "ls models entries search available catalog",
    "show": "info describe cat view details options",
    "tune": "optimize optimise hpo sweep tuning optuna",
    "bench": "benchmark speed profile time",
    "compare": "diff versus vs ablate",
    "plugins": "plugin kinds modules",
    "new-plugin": "init new plugin-new scaffold",
    "studies": "study trials",
    "doctor": "diagnose env environment",
    "check": "lint verify conformance",
    "runs": "rm delete remove history mv",
    "cache": "clean clear prune gc",
    "reconstruct": "encode decode autoencode",
}
"""What other tools call the commands of the zoo."""
COMMAND_FOR = {word: command for command, words in OTHER_COMMANDS.items() for word in words.split()}
OTHER_OPTIONS = {
    "--data": "dataset data-dir data_dir datadir train-dir train_dir input d path folder data-path images pictures",
    "--device": "gpu cuda cpu mps gpus accelerator use-gpu",
    "--out": "output output-dir output_dir out-dir outdir save-dir save_dir logdir o save run-dir name",
    "--fresh": "force overwrite restart new no-resume from-scratch f",
    "--trials": "n-trials n_trials num-trials num_samples n",
    "--time": "timeout max-time budget hours",
    "--objective": "metric optimize monitor",
    "--parallel": "jobs n-jobs n_jobs workers concurrency j",
    "--plain": "no-progress quiet q no-color no-colour silent",
    "--traceback": "verbose debug v",
    "--registry": "config config-file registries",
    "--seeds": "repeats n-seeds",
    "--minutes": "time max-time",
    "--seconds": "time duration",
    "-n": "num count number num-samples samples",
    "--text": "prompt prompts texts",
    "--to": "prompt target",
    "--split": "subset set partition",
    "--record": "save-results log",
    "--options": "all full help-options",
    "--version": "v V",
}
"""What other tools call the options of the zoo's commands."""
VALUES = {
    "gpu": "cuda",
    "gpus": "cuda",
    "use-gpu": "cuda",
    "cuda": "cuda",
    "cpu": "cpu",
    "mps": "mps",
    "fp16": "bfloat16",
    "amp": "bfloat16",
    "bf16": "bfloat16",
}
"""The value that a flag of this name means."""
NOT_NEEDED = {
    "resume": "repeat the command that began the run: it goes on where it stopped",
    "continue": "repeat the command that began the run: it goes on where it stopped",
    "workers": "the pictures are held in memory, so no workers read them",
    "num-workers": "the pictures are held in memory, so no workers read them",
    "num_workers": "the pictures are held in memory, so no workers read them",
    "save": "the trained model is always kept, in the run folder that --out names",
    "model": "the entry is the model: name it first; zoo list shows all entries",
    "arch": "the entry is the model: name it first; zoo list shows all entries",
    "network": "the entry is the model: name it first; zoo list shows all entries",
    "entry": "the entry is the model: name it first; zoo list shows all entries",
}
"""What to know about options of other tools that have no counterpart."""
EXAMPLES = {
    "name": "name an entry, e.g. {path} cnn; zoo list shows them all",
    "run": "name a run folder, or an entry for its newest run, e.g. {path} {run}",
    "pictures": "name picture files or folders, e.g. {path} {run} photo.png",
    "start": "it needs two, e.g. {path} {run} {two}",
    "goal": "it needs two, e.g. {path} {run} {two}",
    "shell": "name a shell, e.g. {path} bash",
}
"""What to write for an argument that is missing."""


def describe_usage_error(error: click.ClickException) -> tuple[str, str]:
    """Return the message and hint of an error of click."""
    text = " ".join(error.format_message().split()).rstrip(".")
    text = (text[:1].lower() + text[1:]).partition(" Did you mean ")[0].partition(". Choose from")[0].rstrip(".")
    text = WHOLE_NUMBER.sub("a whole number", text)
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return text, "see zoo --help"
    see = f"see {context.command_path} --help"
    if isinstance(error, click.NoSuchOption):
        name = typed_option(error.option_name, words_of(context))
        dashes = f"a word that begins with - follows --, e.g. {context.command_path} RUN -- {name!r}"
        return f"no such option {name!r}", dashes if name[1:2].isdigit() else advise_on_option(context, name) or see
    if isinstance(error, click.MissingParameter):
        return text, advise_on_missing(context, error.param) or see
    if isinstance(error, click.BadOptionUsage):
        return text, advise_on_value(context, error.option_name) or see
    if isinstance(error, click.BadParameter):
        return text, advise_on_bad_value(context, error.param, text) or see
    return text, advise_on_extra(context) or see


def words_of(context: click.Context) -> list[str]:
    """Return the words after the command that a context parsed."""
    return list(context.meta.get(TYPED_WORDS, []))


def typed_option(name: str, words: Sequence[str]) -> str:
    """Return an unknown option as it was typed: click takes `-lr` for `-l`."""
    if len(name) != 2:
        return name
    return next((word.partition("=")[0] for word in words if word.startswith(name) and not word.startswith("--")), name)


def value_of(name: str, words: Sequence[str]) -> str:
    """Return the value that was typed for an option; empty if there is none."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.partition("=")[0] == name:
            inside = word.partition("=")[2]
            return inside or ("" if after.startswith("-") or "=" in after else after)
    return ""


def advise_on_option(context: click.Context, name: str) -> str:
    """Return what an unknown option may mean; empty if nothing comes near."""
    command, bare = context.command, name.lstrip("-")
    own = {opt: param for param in command.params for opt in param.opts if isinstance(param, click.Option)}
    if isinstance(command, click.Group):
        return advise_on_group_option(command, own, bare)
    return next(filter(None, likely_options(context, own, name)), "")


def likely_options(context: click.Context, own: dict[str, click.Option], name: str) -> Iterator[str]:
    """Yield what an unknown option may mean, the likeliest first; some are empty."""
    bare, words = name.lstrip("-"), words_of(context)
    value = value_of(name, words)
    takes_options = any(param.name == "overrides" for param in context.command.params)
    raw = entry_of(words) if takes_options else None
    tuned = context.info_name in ("tune", "show")
    for flag, names in OTHER_OPTIONS.items():
        if flag in own and bare in names.split():
            yield f"did you mean {flag_with(own[flag], flag, VALUES.get(bare, '') or value)}?"
    if takes_options:
        yield set_as(entry_option(raw, bare, exact=True, tuned=tuned), VALUES.get(bare, "") or value)
    yield NOT_NEEDED.get(bare, "")
    if others := commands_with(context, f"--{bare}"):
        yield f"that is an option of {' and '.join(f'zoo {other}' for other in others)}"
    if near := nearest_option(bare, own):
        yield f"did you mean {flag_with(own[near], near, value)}?"
    if isinstance(group := context.find_root().command, click.Group) and bare in group.list_commands(context):
        yield f"did you mean zoo {bare}?"
    if takes_options:
        yield set_as(entry_option(raw, bare, exact=False, tuned=tuned), value)
        yield f"see {context.command_path} --help; options of an entry are set with KEY=VALUE, e.g. train.epochs=10"


def advise_on_group_option(command: click.Group, own: Iterable[str], bare: str) -> str:
    """Return what an option before any command may mean."""
    if bare in command.list_commands(click.Context(command)):
        return f"did you mean zoo {bare}?"
    if bare in OTHER_OPTIONS["--version"].split():
        return "did you mean --version?"
    return did_you_mean_option(bare, own)


def did_you_mean_option(bare: str, own: Iterable[str]) -> str:
    """Propose the option whose name is near; empty if none is."""
    near = nearest_option(bare, own)
    return f"did you mean {near}?" if near else ""


def nearest_option(bare: str, own: Iterable[str]) -> str | None:
    """Return the option of a command whose name is nearest, dashes left out; None if none is near."""
    names = {opt.lstrip("-"): opt for opt in reversed([*own])}
    near = get_close_matches(bare, names, n=1, cutoff=CLOSE)
    return names[near[0]] if near else None


def set_as(option: str, value: str) -> str:
    """Say how an option of an entry is set; empty for none."""
    return option and f"options of an entry are set with KEY=VALUE: {option}={value or 'VALUE'}"


def flag_with(param: click.Parameter, flag: str, value: str) -> str:
    """Write an option of a command with its value, if it takes one."""
    if isinstance(param, click.Option) and param.is_flag:
        return flag
    return f"{flag} {value or param.metavar or 'VALUE'}"


def entry_of(words: Sequence[str]) -> RawEntry | None:
    """Return the entry that a command line names first, or None."""
    from zoo.registry.listing import load_registry

    with suppress(ZooError):
        registry = load_registry()[0]
        return next((registry.resolve(word) for word in words if word in registry.entries), None)
    return None


def entry_option(raw: RawEntry | None, bare: str, *, exact: bool, tuned: bool) -> str:
    """Return the option of an entry that a flag means, e.g. `train.lr` for `--lr`.

    Empty if none; `tuned` says whether the command takes options of `tune`.
    """
    from zoo.registry.advice import meant_options, option_names

    names = [name for name in option_names(raw) if tuned or not name.startswith("tune.")]
    found = [bare] if bare in names else meant_options(bare, names, exact=exact)
    return found[0] if found else ""


def commands_with(context: click.Context, flag: str) -> list[str]:
    """Return the other commands that have an option."""
    root, found = context.find_root(), []
    if isinstance(group := root.command, click.Group):
        for name in group.list_commands(root):
            command = group.get_command(root, name)
            if command and name != context.command.name and any(flag in param.opts for param in command.params):
                found.append(name)
    return found[:3]


def advise_on_missing(context: click.Context, param: click.Parameter | None) -> str:
    """Say what to write for an argument or option that is missing."""
    if param is None:
        return ""
    example = "cnn" if context.info_name in ("evaluate", "predict") else "vae-nf"
    run = next((word for word in words_of(context) if not word.startswith("-")), example)
    if isinstance(param, click.Option):
        return f"give {param.opts[0]} {param.metavar or 'VALUE'}"
    two = "photo.png other.png" if context.info_name == "interpolate" else "3 8"
    if context.info_name == "new-plugin":
        return f"name the plugin, e.g. {context.command_path} my-models"
    return EXAMPLES.get(str(param.name), "").format(path=context.command_path, run=run, two=two)


def advise_on_value(context: click.Context, name: str) -> str:
    """Say how an option is written whose value is missing or too much."""
    for param in context.command.params:
        if name in param.opts and isinstance(param, click.Option):
            return f"write {flag_with(param, name, '')}"
    return ""


def advise_on_bad_value(context: click.Context, param: click.Parameter | None, text: str) -> str:
    """Propose one of the values that an option takes, or say how it is written."""
    if param is None:
        return ""
    if not isinstance(param.type, click.Choice):
        return f"write {flag_with(param, param.opts[0], '')}" if isinstance(param, click.Option) else ""
    from zoo.core.splits import SPLIT_NAMES

    choices = [str(choice) for choice in param.type.choices]
    value = (QUOTED.findall(text) or [""])[0].lower()
    meant = next((name for name, words in SPLIT_NAMES.items() if value in words and name in choices), value)
    near = get_close_matches(meant, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""


def advise_on_extra(context: click.Context) -> str:
    """Say what words are for that a command does not take."""
    name, words = context.info_name, [word for word in words_of(context) if not word.startswith("-")]
    if name == "list" and words:
        return f"did you mean zoo show {words[0]}?"
    if name in ("mix", "interpolate", "edit"):
        return 'put a prompt of several words in quotes, e.g. "3 + 8"'
    return ""


def unknown_command(args: Sequence[str], commands: Iterable[str]) -> ZooError:
    """Make the error for a command that does not exist."""
    hint = next(filter(None, likely_commands(args[0], args[1:], set(commands))))
    return ZooError(f"no command {args[0][:80]!r}", hint)


def likely_commands(typed: str, rest: Sequence[str], known: set[str]) -> Iterator[str]:
    """Yield what an unknown command may mean, the likeliest first; some are empty."""
    word = typed.lower()
    if word in ("help", "man", "usage"):
        yield f"did you mean zoo {rest[0] + ' ' if rest and rest[0] in known else ''}--help?"
    if word == "version":
        yield "did you mean zoo --version?"
    if COMMAND_FOR.get(word) in known:
        yield f"did you mean {COMMAND_FOR[word]!r}?"
    if entry_of([typed]) is not None:
        others = [each for each in rest if each not in known]
        command = next((each for each in rest if each in known), "train")
        yield f"{typed} is an entry; did you mean zoo {' '.join([command, typed, *others])}?"
    if get_close_matches(word, known, n=1, cutoff=0.6):
        yield did_you_mean(word, known)
    if "/" in typed or Path(typed).is_dir():
        yield f"to train on these pictures: zoo train cnn --data {typed}"
    yield "see zoo --help"
