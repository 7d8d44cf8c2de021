"""Mutated inputs end with their documented code: no traceback, no code 70, nothing hangs, no other result.

ZOO_FUZZ sets the number of inputs, e.g. 20000 for an hour, and ZOO_FUZZ_SEED another seed.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzzing import CODES, LIMIT, PROMPTS, TEXTS, WORDS, Fault, HungError, Template, make_input, time_limit
from PIL import Image

from zoo.cli import main
from zoo.core.errors import ZooError
from zoo.models.prompts import parse_prompt

GOLDEN = Path(__file__).parents[1] / "golden" / "runs" / "study"
INPUTS = int(os.environ.get("ZOO_FUZZ", "150"))
SEED = int(os.environ.get("ZOO_FUZZ_SEED", "0"))
RUN_FILES = ["run.json", "entry.json", "metrics.jsonl", "weights.safetensors", "manifest.json"]
REGISTRY = """version: 1
entries:
  mine: {summary: a try, extends: cnn, model: {first: 4, blocks: 2}, train: {epochs: 3}}
  other:
    extends: mine
    train: {lr: 0.01}
results:
  - {"entry": "mine", "of": "x", "data": "digits", "split": "test", "metrics": {"loss": 0.5, "accuracy": 0.9}}
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs an alarm and pipes")


@pytest.fixture
def templates(run: Path, home: Path) -> list[Template]:
    """A run, a study, a registry, pictures in folders and a picture."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in ("t-run", "t-study", "t-registry", "t-table", "t-folder/a", "t-folder/b", "t-picture"):
        (home / name).mkdir(parents=True)
    shutil.copytree(run, home / "t-run" / "r")
    shutil.copytree(GOLDEN, home / "t-study" / "s")
    (home / "t-registry" / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    chance = np.random.default_rng(0)
    for index in range(8):
        picture = Image.fromarray(chance.integers(0, 256, (8, 8), np.uint8))
        picture.save(home / "t-folder" / "ab"[index % 2] / f"{index}.png")
    picture.save(home / "t-picture" / "p.png")
    png = (home / "t-picture" / "p.png").read_bytes()
    rows = {"image": [png] * 8, "label": ["a", "b"] * 4, "note": ["é"] * 8}
    pq.write_table(pa.table(rows), home / "t-table" / "train.parquet")
    study = [path.name for path in GOLDEN.iterdir() if path.suffix in (".json", ".db")]
    return [
        Template(home / "t-run", lambda at: ["predict", f"{at}/r", "t-picture/p.png", "--json"], as_in("r", RUN_FILES)),
        Template(home / "t-study", lambda at: ["studies", "--storage", str(at), "--json"], as_in("s", study)),
        Template(home / "t-registry", lambda at: ["list", "--registry", f"{at}/registry.yaml"], ["registry.yaml"]),
        Template(
            home / "t-registry", lambda at: ["show", "mine", "--registry", f"{at}/registry.yaml"], ["registry.yaml"]
        ),
        Template(home / "t-table", lambda at: ["show", "cnn", "--data", f"{at}/train.parquet"], ["train.parquet"]),
        Template(home / "t-folder", lambda at: ["show", "cnn", "--data", str(at)], ["a/0.png", "b/1.png"]),
        Template(home / "t-picture", lambda at: ["predict", "t-run/r", f"{at}/p.png"], ["p.png"]),
    ]


def as_in(folder: str, names: list[str]) -> list[str]:
    """The names below a folder."""
    return [f"{folder}/{name}" for name in names]


def answer(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str, float]:
    """Run a command; return its code, what it printed, and how long it took."""
    capsys.readouterr()
    begin = time.monotonic()
    with time_limit(LIMIT):
        code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err, time.monotonic() - begin


def why_wrong(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with the answer to a command; empty if it is right."""
    try:
        code, out, err, _ = answer(words, capsys)
    except HungError:
        return "it hangs"
    except BaseException as error:
        return f"it raised {error!r}"
    if code not in CODES:
        return f"code {code}: {err.strip()[-300:]}"
    if "Traceback" in out + err:
        return f"a traceback: {err[-300:]}"
    if any(letter in out + err for letter in "\x1b\x07\x00"):
        return f"control characters: {err[-300:]!r}"
    return "" if not code or err.strip() else f"code {code} without a word"


def odd_command(chance: Random) -> list[str]:
    """A command with odd options."""
    pairs = [f"{chance.choice(WORDS)}{chance.choice(('=', '', '=='))}{chance.choice(TEXTS)}" for _ in range(2)]
    start = chance.choice((["show", "cnn"], ["show", "vae"], ["show", chance.choice(TEXTS)], ["list"], ["runs"], ["x"]))
    return [*start, *pairs[: chance.randrange(1, 3)], *chance.choice(([], ["--json"], ["--bogus"], ["--device", "x"]))]


def prompt_fault(chance: Random) -> str:
    """What is wrong with how a made-up prompt is read; empty if it is right."""
    text = "".join(chance.choice((*PROMPTS, *TEXTS, " + ", " - ")) for _ in range(chance.randrange(1, 6)))
    try:
        parts = parse_prompt(text)
    except ZooError:
        return ""
    except Exception as error:
        return f"{text[:80]!r}: {error!r}"
    return "" if all(abs(part.weight) < 1e300 for part in parts) else f"{text[:80]!r}: {parts}"


def test_mutated_inputs_end_with_their_code(
    templates: list[Template], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults: list[Fault] = []
    for template in templates:
        shutil.copytree(template.folder, home / "case")
        assert not why_wrong(template.words(home / "case"), capsys), "without a mutation all is well"
        shutil.rmtree(home / "case")
    healthy, *_ = answer(["predict", "t-run/r", "t-picture/p.png", "--json"], capsys), None
    for number in range(INPUTS):
        chance = Random(f"{SEED} {number}")
        if number % 5 == 4:
            if why := prompt_fault(chance):
                faults.append(Fault("prompt", [str(number)], why))
            words, what = odd_command(chance), "options"
        else:
            template = templates[number % len(templates)]
            what, words = make_input(template, home / "case", chance)
        if why := why_wrong(words, capsys):
            faults.append(Fault(f"{number} {what}", [word[:80] for word in words], why))
        elif what.startswith("bytes") and ("weights" in what or "manifest" in what):
            code, out, _, _ = answer(words, capsys)
            if code == 0 and predictions(out) != predictions(healthy[1]):
                faults.append(Fault(f"{number} {what}", words, "another result"))
    for fault in faults[:20]:
        print(fault)
    assert not faults, f"{len(faults)} of {INPUTS}: " + "\n".join(map(str, faults[:5]))


def predictions(text: str) -> str:
    """The part of a prediction that does not name the folder of the run."""
    return text[text.find('"predictions"') :]
