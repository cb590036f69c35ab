"""The device that computes, its precision, and whether its results are reproducible."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

from imtrans.api.errors import ImtransError, quoted
from imtrans.host.machine import bf16_instructions, memory
from imtrans.host.ranks import Rank

Precision = Literal["fp32", "bf16"]


def choose_device(name: str | None = None, rank: Rank | None = None) -> torch.device:
    """The named device, or the best there is: CUDA, then MPS, then the CPU. Of several ranks on a
    machine each has a GPU of its own. A GPU becomes the current one: streams, graphs and libraries
    that are not told of a device use that."""
    device = _named(name)
    if rank and rank.local_of > 1 and device.type == "cuda":
        device = _own_gpu(device, rank)
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)
    return device


def _own_gpu(device: torch.device, rank: Rank) -> torch.device:
    count = torch.cuda.device_count()
    if device.index is not None or rank.local_of > count:
        wanted = f"device '{device}' for" if device.index is not None else f"{count} GPUs for"
        raise ImtransError(
            f"{wanted} {rank.local_of} processes on this machine: each needs a GPU of its own. "
            f"use --nproc-per-node {count} and no --device, or --device cpu"
        )
    return torch.device("cuda", rank.local)


def _named(name: str | None) -> torch.device:
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    here = available()
    if name not in here and not (name == "cuda" and "cuda:0" in here):
        raise ImtransError(f"device '{name}' is not available; this machine has {quoted(here)}")
    return torch.device(name)


def device_of_rank(name: str | None, rank: Rank) -> str | None:
    """The name of the device of a rank that nothing but images is shared with: where several ranks
    are on a machine and no certain GPU is named, each has the next one."""
    count = torch.cuda.device_count()
    if rank.alone or name not in (None, "cuda") or not count:
        return name
    return f"cuda:{rank.local % count}"


def available() -> list[str]:
    """The devices of this machine, by name."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def choose_precision(requested: str, device: torch.device) -> Precision:
    """`auto` is bf16 where the device computes in it natively, else fp32."""
    if requested == "auto":
        return "bf16" if _native_bf16(device) else "fp32"
    if requested in ("fp32", "bf16"):
        return requested  # type: ignore[return-value]  # mypy does not narrow str to a Literal
    raise ImtransError(f"precision '{requested}' is not one of 'auto', 'fp32', 'bf16'")


def autocast(
    device: torch.device, precision: Precision, *, cached: bool = True
) -> AbstractContextManager[object]:
    """A context in which convolutions compute in this precision. Weights stay fp32; they are cast
    once per context (`cached`), or each time they are used."""
    enabled = precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=cached)


@contextmanager
def computing(*, deterministic: bool) -> Iterator[None]:
    """Make CUDA reproducible to the bit, or let cuDNN benchmark for the fastest algorithms.

    When `deterministic`, an operation without a deterministic algorithm raises RuntimeError. The
    CPU is always deterministic.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if deterministic:
        # cuBLAS reads this once, when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic or before[0])
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def has_tf32(device: torch.device) -> bool:
    """Whether a GPU can compute fp32 products from 10 bits of the mantissa of each factor."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@contextmanager
def convolving(device: torch.device, *, tf32: bool, tuning: int | None) -> Iterator[None]:
    """How a GPU computes convolutions and matrix products of fp32: with `tf32`, from 10 bits of the
    mantissa of each factor. `tuning`: how many algorithms cuDNN times for each convolution before
    it chooses one (0: all); None: it chooses by rules of its own. Nothing of it concerns a CPU."""
    if device.type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.benchmark_limit
    cudnn.allow_tf32 = matmul.allow_tf32 = tf32
    cudnn.benchmark = tuning is not None
    if tuning is not None:
        cudnn.benchmark_limit = tuning
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.benchmark_limit = before


def free_memory(device: torch.device) -> int | None:
    """Bytes that a training may still allocate on the device, or None where that is unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    here = memory()
    return here.available if here else None


def synchronize(device: torch.device) -> None:
    """Return when the device has finished everything it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Without its instructions a CPU emulates bf16, slower than fp32.
    return device.type == "cpu" and bf16_instructions() is not None
