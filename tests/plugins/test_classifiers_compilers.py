"""What compilers make of the kind `cnn`, and what is done where they fail."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from zoo_classifiers import compiling, dispatch, gather, native
from zoo_classifiers.model import CNN
from zoo_classifiers.spec import CNNSpec

from zoo import DataInfo
from zoo.core.types import Batch

needs_kernel = pytest.mark.skipif(
    native.load_kernel()[0] is None, reason=f"no native kernel: {native.load_kernel()[1]}"
)


def network(side: int = 8, **options: Any) -> CNN:
    small = {"blocks": 2, "first": 8, "last": 12, "head": 1} | options
    return CNN(CNNSpec.model_validate(small), DataInfo.of((1, side, side), ("a", "b", "c")))


def batch(side: int = 8) -> Batch:
    return Batch(torch.rand(6, 1, side, side), torch.arange(6) % 3)


def test_without_a_compiler_a_network_trains_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "find_compilers", list)
    monkeypatch.setattr(gather, "why_compile_fails", lambda *_: "no compiler")
    native.load_kernel.cache_clear()
    try:
        model = network()
        note = model.accelerate(torch.bfloat16)
        assert note == "plain PyTorch (no native kernel: no C++ compiler was found; torch.compile failed: no compiler)"
        torch.autograd.backward(model.losses(batch())["loss"])
    finally:
        native.load_kernel.cache_clear()


@pytest.mark.parametrize("source", ["this is not C++", ""])
def test_a_kernel_that_does_not_build_is_left_out(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fused.cpp").write_text(source, encoding="utf-8")
    monkeypatch.setattr(native, "SOURCE", tmp_path / "fused.cpp")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    native.load_kernel.cache_clear()
    try:
        library, reason = native.load_kernel()
        assert library is None
        assert reason
    finally:
        native.load_kernel.cache_clear()


@pytest.mark.parametrize(
    ("machine", "flag"), [("x86_64", "-march=native"), ("AMD64", "-march=native"), ("arm64", "-mcpu=native")]
)
def test_the_kernel_is_for_this_machine(machine: str, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(native, "run_compiler", lambda *_: "")
    assert native.native_flags("c++") == [flag]


def fake(path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiler be a script that notes how it is called, then runs `body` and the true compiler."""
    script, (true, *_) = path / "c++", native.find_compilers()
    script.write_text(f'#!/bin/sh\necho "$*" >> {path}/calls\n{body}\nexec {true} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("ZOO_CACHE", str(path / "cache"))
    monkeypatch.setattr(native, "find_compilers", lambda: [str(script)])
    native.load_kernel.cache_clear()


@needs_kernel
def test_a_compiler_without_the_flag_builds_a_baseline_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, 'case "$*" in *=native*) exit 1;; esac', monkeypatch)
    try:
        assert network().accelerate(torch.bfloat16) == "native kernel (baseline)"
    finally:
        native.load_kernel.cache_clear()


@needs_kernel
def test_a_build_that_fails_is_not_tried_with_other_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, 'case "$*" in *" -o "*) echo interrupted >&2; exit 4;; esac', monkeypatch)
    try:
        assert native.load_kernel() == (None, "c++ failed: interrupted")
    finally:
        native.load_kernel.cache_clear()
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert sum(" -o " in call for call in calls) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are POSIX's")
def test_a_compiler_is_out_of_reach_of_ctrl_c() -> None:
    assert native.run_compiler([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"]) == "True\n"


def test_trying_to_compile_draws_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "compile_dynamic", lambda function, *_: function)
    gather.why_compile_fails.cache_clear()
    try:
        state = torch.get_rng_state()
        assert gather.why_compile_fails("before", "mish", torch.float32) == ""
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        gather.why_compile_fails.cache_clear()


def test_each_model_and_each_choice_of_options_is_compiled_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[str] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(str(graph))
        return graph

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    count = torch._dynamo.config.recompile_limit + 2
    for width in range(count):
        model = network(4, blocks=1, last=1 + width, head=0).eval()
        model.backends = ["whole"]
        model.chain = dispatch.compile_blocks(model.backends)
        with torch.no_grad():
            model(batch(4).x)
    assert len(graphs) == count
    compiling.compile_dynamic.cache_clear()
    for number in range(count):
        compiling.maybe_compile(gather.norm_and_activation, number)(
            torch.ones(4, 3), (), False, 0.0, float(number), "none", "relu"
        )
    compiling.compile_dynamic.cache_clear()
    assert len(graphs) == 2 * count


@needs_kernel
def test_a_kernel_that_computes_something_else_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = native.SOURCE.read_text(encoding="utf-8").replace("x * n / (n + 2.f)", "x * n / (n + 3.f)")
    (tmp_path / "fused.cpp").write_text(source, encoding="utf-8")
    monkeypatch.setattr(native, "SOURCE", tmp_path / "fused.cpp")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    native.load_kernel.cache_clear()
    try:
        assert native.load_kernel() == (None, "its results for mish differ from PyTorch's")
    finally:
        native.load_kernel.cache_clear()


def test_an_accelerated_model_is_copied_and_pickled_as_a_plain_one() -> None:
    model = CNN(CNNSpec(blocks=2, first=8, last=16), DataInfo.of((3, 8, 8), ("a", "b"))).eval()
    x = torch.rand(2, 3, 8, 8)
    expected = model(x)
    model.backends = ["whole"] * 2
    model.chain = dispatch.compile_blocks(model.backends)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied(x), expected)
