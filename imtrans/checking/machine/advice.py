"""The settings that suit this machine, and why."""

from collections.abc import Iterator

import torch

from imtrans.checking.finding import Finding
from imtrans.data.workers import worker_count
from imtrans.host.devices import Precision, choose_precision, free_memory
from imtrans.host.words import size

# Bytes of training unet_256 and patch_70 at 256 px. Measured on a CPU: 1.3 GB at batch 1, 0.1 GB
# more for each further image. Rounded up, since other engines need a little more.
FIRST, EACH = int(1.5e9), int(0.12e9)
MOST = 64  # images: larger batches need other learning rates


def advice(device: torch.device, precision: Precision, can_compile: bool) -> Iterator[Finding]:
    """The settings of [train] and [data] that suit this machine."""
    yield _advised("device", f"{device}: the fastest here, and the default of every command")
    graph = ", the whole step as one CUDA graph" if device.type == "cuda" else ""
    yield _advised(
        "engine", f"auto: fast, channels_last, one kernel for Adam{graph}; plain for comparisons"
    )
    if precision == choose_precision("auto", device):
        yield _advised("precision", f"auto: {precision}")
    else:
        yield _advised("precision", f"{precision}, which was faster in this measurement")
    yield _advised("compile", _compile(can_compile))
    workers = worker_count(None, device)
    yield _advised(
        "workers", f"not set: {workers} for files, none for cached pairs that are only cropped"
    )
    yield _advised("batch", batch(free_memory(device)))


def _compile(can_compile: bool) -> str:
    if not can_compile:
        return "false: there is no compiler"
    return "auto: on a CPU from batch 8, if the run is long enough to repay a minute of compiling"


def batch(free: int | None) -> str:
    """The batch sizes that fit: of the default networks, in half of the free memory (bytes)."""
    if free is None:
        return "1 as in the paper; the free memory of this device is unknown"
    fitting = (free // 2 - FIRST) // EACH + 1
    if fitting < 1:
        return f"1, if it fits: {size(free)} are free. a smaller generator.width needs less"
    most = min(MOST, 1 << (fitting.bit_length() - 1))
    sizes = f"1 as in the paper; up to {most} of 256 px fit" if most > 1 else "1: no more fits"
    return f"{sizes}. `imtrans bench train` measures their cost"


def _advised(setting: str, advice: str) -> Finding:
    return Finding(f"-> {setting}", advice)
