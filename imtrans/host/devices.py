"""Which device computes, and in which precision."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

from imtrans.api.errors import ImtransError, quoted

Precision = Literal["fp32", "bf16"]


def choose_device(name: str | None = None) -> torch.device:
    """The named device, or the best there is: CUDA, then MPS, then the CPU."""
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    here = available()
    if name not in here and not (name == "cuda" and "cuda:0" in here):
        raise ImtransError(f"device '{name}' is not here; this machine has {quoted(here)}")
    return torch.device(name)


def available() -> list[str]:
    """The devices of this machine, by name."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """`auto` is bf16 where the device computes in it natively, else fp32."""
    if wanted == "auto":
        return "bf16" if _native_bf16(device) else "fp32"
    if wanted in ("fp32", "bf16"):
        return wanted  # type: ignore[return-value]
    raise ImtransError(f"precision '{wanted}' is not one of 'auto', 'fp32', 'bf16'")


def autocast(
    device: torch.device, precision: Precision, *, cached: bool = True
) -> AbstractContextManager[object]:
    """A context in which convolutions compute in this precision; weights stay fp32, and are cast
    once in it (`cached`), or each time."""
    enabled = precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=cached)


@contextmanager
def computing(*, deterministic: bool) -> Iterator[None]:
    """Have CUDA compute the same bits each time, or choose the fastest algorithms by trying them.
    An operation that cannot be deterministic raises RuntimeError when it is. The CPU always is."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if deterministic:
        # cuBLAS reads it once, when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic or before[0])
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # Without these instructions bf16 is emulated and slower than fp32.
        known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return bool(known.get("amx_bf16") or known.get("avx512_bf16"))
    return False
