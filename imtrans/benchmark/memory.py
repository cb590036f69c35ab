"""How much memory training takes at its peak."""

import gc
from contextlib import suppress
from pathlib import Path

import torch

from imtrans.benchmark.own_process import in_own_process
from imtrans.benchmark.subject import build, engines
from imtrans.host.devices import computing
from imtrans.host.machine import memory
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import Task

STEPS = 3  # all moments are in memory from the second on


def peak(recipe: Recipe, engine: str, device: torch.device) -> int | None:
    """Bytes that training takes on `plain` or `fast` at its peak, with the trial before its first
    step: on the device, or on a CPU above what Python and torch take before. None where neither can
    be told. It is measured in a process of its own. Raises NoMemory.
    """
    return in_own_process(_peak, recipe, engine, str(device))


def free(device: torch.device) -> int | None:
    """Bytes that training may take, if that can be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    here = memory()
    return here.available if here else None


def tidy(device: torch.device) -> None:
    """Give back what nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _peak(recipe: Recipe, name: str, device_name: str) -> int | None:
    device, installed = torch.device(device_name), catalog()
    _make_torch_import_the_rest()
    before = _resident("VmRSS")
    with computing(deterministic=recipe.train.deterministic):
        engine = engines(recipe, device)[name]
        subject = build(Task(recipe, installed), engine, lambda line: None)
        for _ in range(STEPS):
            subject.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    after = _resident("VmHWM") if device.type == "cpu" else None
    return after - before if after and before else None


def _make_torch_import_the_rest() -> None:
    """What torch itself takes when it first computes and updates is no part of a training."""
    convolution = torch.nn.Conv2d(1, 1, 1)
    adam = torch.optim.Adam(convolution.parameters())
    convolution(torch.zeros(1, 1, 8, 8)).sum().backward()
    adam.step()


def _resident(row: str) -> int | None:
    """What this process has in memory (bytes): VmRSS now, VmHWM at its peak.

    Not from getrusage on Linux: its ru_maxrss begins with the peak of the process that started
    this one.
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{row}:"):
                return int(line.split()[1]) * 1024
    with suppress(ImportError):
        from resource import RUSAGE_SELF, getrusage  # not on Windows

        return getrusage(RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return None
