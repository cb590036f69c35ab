"""Floating-point operations of a step, and the rate at which the device can compute them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode

from imtrans.benchmark.subject import waiting_for
from imtrans.host.devices import Precision

SIDES = {"cpu": 2048, "mps": 4096}  # of the matrices; 8192 on CUDA
LEAST, TIMES = 1.0, 5  # seconds and products that a measurement has at least, both


def flops_of(step: Callable[[], object]) -> int:
    """The floating-point operations of convolutions and matrix products in a call.

    A multiplication and an addition are two operations. Counted as the definition has them,
    whatever algorithm computes them. Everything else, such as norms and Adam, is not counted.
    """
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, precision: Precision) -> float:
    """The device's rate in large matrix products (FLOP/s), the best of several.

    For fp32 on CUDA, in tf32 on tensor cores if convolutions use that too.
    """
    side = SIDES.get(device.type, 8192)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out, wait, best = torch.empty_like(one), waiting_for(device), float("inf")
    with _as_convolutions(device):
        begun = perf_counter()
        for time in range(1000):
            if time >= TIMES and perf_counter() - begun > LEAST:
                break
            start = perf_counter()
            torch.mm(one, other, out=out)
            wait()
            best = min(best, perf_counter() - start)
    return 2 * side**3 / best


def rate_name(device: torch.device, precision: Precision) -> str:
    """The precision in which the device really computes: tf32 where fp32 is computed in it."""
    return "tf32" if precision == "fp32" and _tf32(device) else precision


def _tf32(device: torch.device) -> bool:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    return bool(torch.backends.cudnn.allow_tf32)


@contextmanager
def _as_convolutions(device: torch.device) -> Iterator[None]:
    # By default torch uses tf32 for convolutions, but not for matrix products.
    before = torch.get_float32_matmul_precision()
    if _tf32(device):
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
