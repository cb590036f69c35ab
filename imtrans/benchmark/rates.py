"""How many floating-point operations a step takes, and how many the device can do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from torch.utils.flop_counter import FlopCounterMode

from imtrans.benchmark.subject import waiting_for
from imtrans.host.devices import Precision

SIDES = {"cpu": 2048, "mps": 4096}  # of the matrices; 8192 on CUDA
LEAST, TIMES = 1.0, 5  # seconds, products; at least, both of them


def flops_of(step: Callable[[], object]) -> int:
    """The floating-point operations of convolutions and matrix products in a call, as arithmetic
    has it: a product and a sum are two. What a kernel saves by another algorithm counts too, and
    what is not a product, as norms and Adam, does not."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, precision: Precision) -> float:
    """The device's rate in large matrix products (FLOP/s), the best of several.

    In fp32 on CUDA with the tensor cores' tf32 if convolutions use it too.
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
    """The precision as the device computes it."""
    return "tf32" if precision == "fp32" and _tf32(device) else precision


def _tf32(device: torch.device) -> bool:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return False
    return bool(torch.backends.cudnn.allow_tf32)


@contextmanager
def _as_convolutions(device: torch.device) -> Iterator[None]:
    # Torch's own default is tf32 for convolutions and plain fp32 for matrices.
    before = torch.get_float32_matmul_precision()
    if _tf32(device):
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
