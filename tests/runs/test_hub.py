"""`hf:user/name`: a run goes to a hub and comes back, and whatever the hub does is one line and an exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hubserver import TOKEN, Hub, serve_hub

import zoo
from zoo.cli import main

Capture = pytest.CaptureFixture[str]
pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, whose token the user has."""
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the client's attempts
    with serve_hub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found


def refusal(capsys: Capture, code: int, *words: str) -> str:
    """The only line of an error."""
    capsys.readouterr()
    assert main([*words]) == code
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert TOKEN not in line
    assert "Traceback" not in line
    return line


def test_a_run_goes_to_the_hub_and_comes_back(hub: Hub, run: Path, capsys: Capture) -> None:
    assert main(["push", "tiny-1", "hf:ann/digits", "--license", "mit", "--json"]) == 0
    pushed = json.loads(capsys.readouterr().out)
    assert pushed["url"] == f"{hub.url}/ann/digits"
    assert set(hub.files("ann/digits")) >= {".gitattributes", "README.md", "manifest.json", "weights.safetensors"}
    assert 'license: "mit"' in hub.files("ann/digits")["README.md"].decode()
    assert 'zoo.pull("hf:ann/digits")' in hub.files("ann/digits")["README.md"].decode()
    assert main(["pull", "hf:ann/digits", "--json"]) == 0
    pulled = json.loads(capsys.readouterr().out)
    assert pulled["run"] == str(Path("runs/digits"))
    assert pulled["origin"] == f"hf:ann/digits@{hub.repos['ann/digits'].branches['main']}"
    before, after = zoo.load(run), zoo.load("digits")
    assert pulled["weights_sha256"] == pushed["weights_sha256"] == before.record["weights_sha256"]
    x = torch.rand(3, *after.info.shape)
    assert torch.equal(after.model()(x), before.model()(x))
    assert sorted(file.name for file in Path("runs").iterdir()) == ["digits", "tiny-1"]


def test_large_files_are_lfs_objects(hub: Hub, run: Path) -> None:
    hub.lfs = True
    zoo.push(run, "hf:ann/digits")
    assert len(hub.objects) == 1
    assert zoo.pull("hf:ann/digits").record["weights_sha256"] == zoo.load(run).record["weights_sha256"]


def test_a_second_push_is_a_commit_of_the_same_model(hub: Hub, run: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(run)]) == 0
    zoo.push(run, "hf:ann/digits", private=True)
    first = hub.repos["ann/digits"].branches["main"]
    assert hub.repos["ann/digits"].private
    assert "confusion.png" in hub.files("ann/digits")
    (run / "evaluation" / "test-confusion.png").unlink()
    zoo.push(run, "hf:ann/digits")
    assert "confusion.png" not in hub.files("ann/digits")
    zoo.push(run, "hf:ann/digits@next", half=True)
    assert set(hub.repos["ann/digits"].branches) == {"main", "next"}
    old = zoo.pull(f"hf:ann/digits@{first}", out="old")
    assert old.record["origin"] == f"hf:ann/digits@{first}"
    assert zoo.pull("hf:ann/digits@next", out="next").record["stored_as"] == "float16"


def test_a_new_branch_begins_with_the_main_one(hub: Hub, run: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(run)]) == 0
    zoo.push(run, "hf:ann/digits")
    (run / "evaluation" / "test-confusion.png").unlink()
    zoo.push(run, "hf:ann/digits@v2")
    assert "confusion.png" not in hub.files("ann/digits", "v2")
    assert zoo.pull("hf:ann/digits@v2", out="v2").entry.name == "cnn"
    hub.repos["ann/digits"].commit("main", hub.files("ann/digits") | {"entry.json": b'{"name": "vae"}'})
    assert "has the entry 'vae', not 'cnn'" in refusal(capsys, 2, "push", "tiny-1", "hf:ann/digits@v3")
    assert "v3" not in hub.repos["ann/digits"].branches


def test_models_of_others_are_left_alone(hub: Hub, run: Path, capsys: Capture) -> None:
    zoo.push(run, "hf:ann/digits")
    hub.repos["ann/digits"].commit("main", hub.files("ann/digits") | {"entry.json": b'{"name": "vae"}'})
    assert "has the entry 'vae', not 'cnn'" in refusal(capsys, 2, "push", "tiny-1", "hf:ann/digits")
    hub.repos["ann/digits"].commit("main", {"config.json": b"{}", "model.safetensors": b""})
    assert "has files that are not the zoo's" in refusal(capsys, 2, "push", "tiny-1", "hf:ann/digits")
    assert "it has no weights.safetensors" in refusal(capsys, 5, "pull", "hf:ann/digits")
    zoo.push(run, "hf:ann/digits", force=True)
    assert {"config.json", "model.safetensors", "manifest.json"} < set(hub.files("ann/digits"))
    assert zoo.pull("hf:ann/digits").entry.name == "cnn"


REFUSALS = [
    (401, 2, "accepts no token of yours"),
    (403, 2, "you may not"),
    (404, 2, "there is no model"),
    (429, 1, "answered 429"),
    (500, 1, "answered 500"),
    (503, 1, "answered 503"),
    (418, 2, "refused"),
]


@pytest.mark.parametrize(("status", "code", "text"), REFUSALS)
def test_every_answer_of_the_hub_is_one_line(
    hub: Hub, run: Path, capsys: Capture, status: int, code: int, text: str
) -> None:
    hub.broken = status
    for words in (("push", "tiny-1", "hf:ann/digits"), ("pull", "hf:ann/digits")):
        line = refusal(capsys, code, *words)
        assert text in line
        assert "hf:ann/digits" in line
    assert [file.name for file in Path("runs").iterdir()] == ["tiny-1"]


def test_a_download_that_breaks_off_leaves_nothing(hub: Hub, run: Path, capsys: Capture, tmp_path: Path) -> None:
    zoo.push(run, "hf:ann/digits")
    hub.break_off = "weights.safetensors"
    line = refusal(capsys, 1, "pull", "hf:ann/digits")
    assert "cannot pull from hf:ann/digits: peer closed connection" in line
    assert [file.name for file in Path("runs").iterdir()] == ["tiny-1"]


def test_offline_and_unreachable_hubs_are_one_line(
    hub: Hub, run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "Connection refused" in refusal(capsys, 1, "pull", "hf:ann/digits")
    assert "cannot push to" in refusal(capsys, 1, "push", "tiny-1", "hf:ann/digits")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT", None)
    assert "HF_HUB_OFFLINE is set" in refusal(capsys, 1, "pull", "hf:ann/digits")


def test_tokens_private_models_and_revisions(
    hub: Hub, run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.push(run, "hf:ann/secret", private=True)
    assert "no such revision" in refusal(capsys, 2, "pull", "hf:ann/secret@v9")
    assert "you may not push to hf:closed/x" in refusal(capsys, 2, "push", "tiny-1", "hf:closed/x")
    assert "there is no model hf:ann/nothing" in refusal(capsys, 2, "pull", "hf:ann/nothing")
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in refusal(capsys, 2, "pull", "hf:ann/secret")
    assert "hf auth login" in refusal(capsys, 2, "push", "tiny-1", "hf:ann/other")
    for wrong in ("hf:", "hf:ann", "hf:ann/x/y", "hf:../x", "hf:ann/x@", "hf:ann/-x", "hf:ann/x@../y"):
        assert "hf:" in refusal(capsys, 2, "pull", wrong)


def test_damaged_files_on_the_hub_are_refused(hub: Hub, run: Path, capsys: Capture) -> None:
    zoo.push(run, "hf:ann/digits")
    files = hub.files("ann/digits")
    weights = bytearray(files["weights.safetensors"])
    weights[-1] ^= 1
    hub.repos["ann/digits"].commit("main", files | {"weights.safetensors": bytes(weights)})
    line = refusal(capsys, 5, "pull", "hf:ann/digits")
    assert "'weights.safetensors' is damaged or was replaced" in line
    assert line.startswith("error: hf:ann/digits@")
    hub.repos["ann/digits"].commit("main", files | {"evil.py": b"import os", "pickle.pkl": b"\x80"})
    assert not {"evil.py", "pickle.pkl"} & {file.name for file in zoo.pull("hf:ann/digits").path.iterdir()}
    assert not any("evil.py" in each for each in hub.requests)


def test_without_huggingface_hub_the_extra_is_named(
    home: Path, run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    blocked: Any = None
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", blocked)
    for words in (("push", "tiny-1", "hf:ann/digits"), ("pull", "hf:ann/digits")):
        assert 'pip install "pixel-zoo[hub]"' in refusal(capsys, 4, *words)
