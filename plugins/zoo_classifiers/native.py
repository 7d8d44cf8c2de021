"""The native kernel for a block's tail (norm, activation, pooling): built by the system's compiler, run by ctypes."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.core import atomic_write, digest, is_own, private_cache_dir
from zoo_classifiers.blocks import Block, Norm
from zoo_classifiers.pooling import Pools, Regions, Window, max_pool
from zoo_classifiers.spec import CNNSpec

SOURCE = Path(__file__).with_name("fused.cpp")
FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread", "-w"]
X86 = ("x86_64", "amd64", "i386", "i686")


class KernelUnavailableError(Exception):
    """Raised with the reason why there is no native kernel."""


def find_compilers() -> list[str]:
    """Find C++ compilers to try, the user's choice first."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return [path for name in names if name and (path := shutil.which(name))]


def run_compiler(command: list[str], given: str = "") -> str:
    """Run a compiler and return its output.

    Raises KernelUnavailableError with its first error message if it fails.

    It runs in a session of its own, so that a Ctrl-C, which the training handles, does not end it.
    """
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=180, check=True, start_new_session=True
        )
    except subprocess.CalledProcessError as error:
        raise KernelUnavailableError(
            f"{Path(command[0]).name} failed: {(error.stderr.strip() or 'no error message').splitlines()[0]}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelUnavailableError(f"{Path(command[0]).name} failed: {error}") from error
    return done.stdout


def build_library(compiler: str, flags: list[str]) -> Path:
    """Build the library, unless it is cached for the same source, flags, compiler and CPU type.

    A cached one is run only if no other user can have written it.
    """
    macros = run_compiler([compiler, *flags, "-dM", "-E", "-x", "c++", "-"])  # version and instruction sets
    key = digest([SOURCE.read_text(encoding="utf-8"), flags, compiler, macros])[:20]
    path = private_cache_dir(f"kernels/{key}") / "fused.so"
    if not is_own(path):
        with atomic_write(path, private=True) as temporary:
            run_compiler([compiler, *flags, str(SOURCE), "-o", str(temporary)])
    return path


def native_flags(compiler: str) -> list[str]:
    """Return the flag for all instructions of this CPU, or none if the compiler rejects it; on x86 -mcpu only tunes."""
    flag = "-march=native" if platform.machine().lower() in X86 else "-mcpu=native"
    try:
        run_compiler([compiler, flag, "-E", "-x", "c++", "-"])
    except KernelUnavailableError:
        return []
    return [flag]


def find_library(narrow: bool) -> tuple[ctypes.CDLL, str]:
    """Return the library of the first compiler that works, and "baseline" if it is not built for this CPU.

    A narrow library has short vectors, for few channels.
    """
    if sys.platform == "win32":
        raise KernelUnavailableError("it is not available on Windows")
    reasons = ["no C++ compiler was found"]
    for compiler in find_compilers():
        target = native_flags(compiler)
        try:
            library = ctypes.CDLL(str(build_library(compiler, [*FLAGS, *target, *["-DL=4"] * narrow])))
        except (KernelUnavailableError, OSError) as error:
            reasons.append(str(error))
        else:
            return declare_functions(library), "" if target else "baseline"
    raise KernelUnavailableError(reasons[-1])


def declare_functions(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the functions' types, and let them use PyTorch's thread pool if it can be found.

    A second pool would compete with PyTorch's threads, which spin for a while after each operation.
    """
    pointer = ctypes.c_void_p
    types = {"use_team": 1, "moments": 3, "tail_forward": 2, "tail_backward": 2}
    for name, count in types.items():
        function = getattr(library, name)
        function.argtypes, function.restype = [pointer] * count, None
    team = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    library.use_team(ctypes.cast(team, pointer) if team else None)
    return library


MIN_CHANNELS, WIDE_CHANNELS = 8, 32  # fewest channels for short vectors, and for vectors of any length
KERNEL_ACTIVATIONS = ("mish", "silu", "relu")  # the kernel numbers them in this order
LAYOUT = torch.channels_last


class KernelShape(ctypes.Structure):
    """Sizes and options of one call of the kernel."""

    names = "n c h w oh ow kh kw activation batch threads"
    _fields_ = [(name, ctypes.c_int64) for name in names.split()]


class KernelData(ctypes.Structure):
    """Pointers to the tensors of one call of the kernel."""

    names = "rows columns x scale shift mean rstd out winner code grad slope dx dscale dshift"
    _fields_ = [(name, ctypes.c_void_p) for name in names.split()]

    @classmethod
    def of(cls, **tensors: Tensor) -> KernelData:
        """Collect the pointers of tensors, which must outlive the call."""
        return cls(**{name: tensor.data_ptr() for name, tensor in tensors.items()})


class NativeTail(torch.autograd.Function):
    """Norm, activation and pooling of x (N, C, H, W) by the kernel, with mean and rstd (C,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor, *rest: Any) -> Tensor:
        ctx.library, ctx.shape, regions = rest
        scale = weight * rstd
        given = {"rows": regions.rows, "columns": regions.columns, "x": x, "scale": scale, "shift": bias - mean * scale}
        out = torch.empty(x.shape[0], x.shape[1], ctx.shape.oh, ctx.shape.ow, dtype=x.dtype, memory_format=LAYOUT)
        kept = {}
        if any(ctx.needs_input_grad):
            kept = {"winner": torch.empty_like(out), "code": torch.empty_like(out, dtype=torch.uint8)}
        ctx.library.tail_forward(ctypes.byref(ctx.shape), ctypes.byref(KernelData.of(**given, **kept, out=out)))
        saved = given | kept | {"mean": mean, "rstd": rstd}
        ctx.names = tuple(saved)
        ctx.save_for_backward(*saved.values())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = dict(zip(ctx.names, ctx.saved_tensors, strict=True))
        saved["grad"] = grad.to(torch.bfloat16).contiguous(memory_format=LAYOUT)
        dx, slope = torch.empty_like(saved["x"]), torch.empty_like(saved["winner"])
        dweight, dbias = torch.empty_like(saved["mean"]), torch.empty_like(saved["mean"])
        data = KernelData.of(**saved, slope=slope, dx=dx, dscale=dweight, dshift=dbias)
        ctx.library.tail_backward(ctypes.byref(ctx.shape), ctypes.byref(data))
        return dx, dweight, dbias, *[None] * 5


def is_supported(block: Block) -> bool:
    """Whether the kernel supports the block's tail."""
    fits = block.outputs >= MIN_CHANNELS and max(block.window.kernel) <= 2
    return fits and block.norm_position != "after" and block.activation.name in KERNEL_ACTIVATIONS


def native_tail(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """Compute Block.tail with the native kernel, in bfloat16."""
    library = load_kernel(block.outputs < WIDE_CHANNELS)[0]
    if library is None or not is_supported(block):
        raise ValueError("the native kernel cannot compute this block")
    return run_kernel(library, block, x, regions)


def run_kernel(library: ctypes.CDLL, block: Block, x: Tensor, regions: Regions) -> Tensor:
    """Compute a block's tail with a library."""
    x = x.to(torch.bfloat16).contiguous(memory_format=LAYOUT)
    window, norm, activation = block.window, block.norm, KERNEL_ACTIVATIONS.index(block.activation.name)
    batch = norm is not None and norm.training
    shape = KernelShape(*x.shape, *window.outputs, *window.kernel, activation, batch, torch.get_num_threads())
    apply = cast("Callable[..., Tensor]", NativeTail.apply)
    if norm is None:
        one, zero = torch.ones(block.outputs), torch.zeros(block.outputs)
        return apply(x, one, zero, zero, one, library, shape, regions)
    mean, variance = batch_statistics(library, shape, norm, x) if batch else (norm.running_mean, norm.running_var)
    return apply(x, norm.weight, norm.bias, mean, (variance + norm.eps).rsqrt(), library, shape, regions)


@torch.no_grad()
def batch_statistics(library: ctypes.CDLL, shape: KernelShape, norm: Norm, x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and variance of each channel of x, and update the running statistics as BatchNorm2d does."""
    mean, variance = torch.empty_like(norm.running_mean), torch.empty_like(norm.running_var)
    library.moments(ctypes.byref(shape), ctypes.byref(KernelData.of(x=x, mean=mean)), variance.data_ptr())
    count = shape.n * shape.h * shape.w
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (count / max(count - 1, 1)), norm.momentum)
    norm.num_batches_tracked.add_(1)
    return mean, variance


@functools.cache
def load_kernel(narrow: bool = False) -> tuple[ctypes.CDLL | None, str]:
    """Load the library with a remark on it, or return None with the reason; never raises."""
    try:
        library, remark = find_library(narrow)
        wrong = [name for name in KERNEL_ACTIVATIONS if not matches_pytorch(library, name)]
    except Exception as error:  # whatever the compiler, linker or loader does, training continues without the kernel
        return None, str(error)
    return (None, f"its results for {wrong[0]} differ from PyTorch's") if wrong else (library, remark)


def reference_tail(block: Block, x: Tensor, regions: Regions) -> Tensor:
    """Compute Block.tail with maxima of activations rounded to bfloat16, as the kernel does."""
    return max_pool(block.dense(x).bfloat16(), block.window, regions)


def matches_pytorch(library: ctypes.CDLL, activation: str) -> bool:
    """Whether a small tail and its gradients match PyTorch's, within the rounding of bfloat16."""
    window = Window((7, 6), (4, 4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = Block(CNNSpec(activation=activation), 1, 35, window)
        x, (regions,) = torch.randn(5, 35, 7, 6), Pools([window]).regions(torch.rand(1, 2), torch.device("cpu"))
        weights = torch.randn(5, 35, 4, 4)
    x = x.bfloat16().float().requires_grad_()
    norm = cast(Norm, block.norm)
    inputs = [x, norm.weight, norm.bias]
    results = []
    for tail in (reference_tail, functools.partial(run_kernel, library)):
        y = tail(block, x, regions).float()
        results.append([y, *torch.autograd.grad((y * weights).sum(), inputs)])
    return all((a - b).norm() <= 0.01 * a.norm() for a, b in zip(*results, strict=True))
