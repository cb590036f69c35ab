"""What to choose for training on this machine, and why."""

from collections.abc import Iterator

import torch

from imtrans.benchmark.memory import free
from imtrans.checking.machine.finding import Finding
from imtrans.data.workers import worker_count
from imtrans.host.devices import Precision, choose_precision
from imtrans.host.words import size

# Of unet_256 and patch_70 at 256 px on a CPU, measured: 1.3 GB at batch 1, 0.1 GB more for each
# further image. Rounded up: other engines take a little more.
FIRST, EACH = int(1.5e9), int(0.12e9)
MOST = 64  # images: larger batches are another experiment


def advice(device: torch.device, precision: Precision, can_compile: bool) -> Iterator[Finding]:
    """The settings of [train] and [data] that suit this machine."""
    yield _advised("device", f"{device}: the best there is, and what commands take by themselves")
    graph = ", the whole step as one CUDA graph" if device.type == "cuda" else ""
    yield _advised(
        "engine", f"auto: fast, channels_last and one kernel for Adam{graph}; plain only to compare"
    )
    if precision == choose_precision("auto", device):
        yield _advised("precision", f"auto: {precision}")
    else:
        yield _advised("precision", f"{precision}, which was the faster one just now")
    yield _advised("compile", _compile(can_compile))
    workers = worker_count(None, device)
    yield _advised(
        "workers", f"leave out: {workers} for files, none for cached pairs that are only cropped"
    )
    yield _advised("batch", batch(free(device)))


def _compile(can_compile: bool) -> str:
    if not can_compile:
        return "false: there is no compiler"
    return "auto: from batch 8 on a CPU, where the steps repay a minute more to start"


def batch(here: int | None) -> str:
    """What fits: a power of two, of the default networks, in half of the free memory."""
    if here is None:
        return "1 as in the paper; how much fits is not known here"
    fitting = (here // 2 - FIRST) // EACH + 1
    if fitting < 1:
        return f"1, if at all: {size(here)} are free. a smaller generator.width needs less"
    most = min(MOST, 1 << (fitting.bit_length() - 1))
    told = f"1 as in the paper; up to {most} of 256 px fit" if most > 1 else "1: no more fits"
    return f"{told}. `imtrans bench train` says what each costs"


def _advised(what: str, said: str) -> Finding:
    return Finding(f"-> {what}", said)
