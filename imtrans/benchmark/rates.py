"""Floating-point operations of a step, and the rate at which the device can compute them."""

from collections.abc import Callable
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode

from imtrans.benchmark.subject import waiting_for
from imtrans.host.devices import convolving

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


def matrix_rate(device: torch.device, arithmetic: str) -> float:
    """The device's rate in large matrix products (FLOP/s) of fp32, tf32 or bf16, the best of
    several."""
    side = SIDES.get(device.type, 8192)
    dtype = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out, wait, best = torch.empty_like(one), waiting_for(device), float("inf")
    with convolving(device, tf32=arithmetic == "tf32", tuning=None):
        begun = perf_counter()
        for time in range(1000):
            if time >= TIMES and perf_counter() - begun > LEAST:
                break
            start = perf_counter()
            torch.mm(one, other, out=out)
            wait()
            best = min(best, perf_counter() - start)
    return 2 * side**3 / best
