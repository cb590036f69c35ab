"""The peak memory of training."""

import gc
from pathlib import Path

import torch

from imtrans.benchmark.own_process import in_own_process
from imtrans.benchmark.subject import Subject, build, engines
from imtrans.host.devices import computing
from imtrans.host.machine import process_memory
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs.state import Position, snapshot, snapshot_translators
from imtrans.task import Task
from imtrans.training.step.step import first_epochs

STEPS = 3  # Adam's moments are all in memory from the second on


def peak(recipe: Recipe, engine: str, device: torch.device) -> int | None:
    """The peak memory (bytes) of training with engine `plain` or `fast`, measured in a process of
    its own, including the engine's check before the first step. Of a method whose phases change
    from coarse to fine, that of the largest.

    On CUDA what is allocated on the device; on a CPU what is used beyond Python and torch
    themselves; None where the system does not say. Raises NoMemory.
    """
    return in_own_process(_peak, recipe, engine, str(device))


def release(device: torch.device) -> None:
    """Free memory that nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _peak(recipe: Recipe, name: str, device_name: str) -> int | None:
    device, installed = torch.device(device_name), catalog()
    _warm_up_torch()
    start = process_memory()
    before = start.resident or start.peak
    with computing(deterministic=recipe.train.deterministic):
        engine = engines(recipe, device)[name]
        subject = build(Task(recipe, installed), engine, lambda line: None)
        for epoch in first_epochs(subject.stepper.step.method, recipe.train.epochs):
            subject.stepper.begin_epoch(epoch)
            _take_steps(subject)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    after = process_memory().peak if device.type == "cpu" else None
    return after - before if after and before else None


def _take_steps(subject: Subject) -> None:
    for _ in range(STEPS - 1):
        subject.step()
    # A GPU keeps the copy of a checkpoint only where there is room for it.
    kept = _checkpoint(subject) if subject.device.type == "cpu" else None
    subject.step()
    del kept


def _checkpoint(subject: Subject) -> object:
    """What is in memory until a checkpoint and the best are written, while training goes on."""
    step, task = subject.stepper.step, subject.task
    best = snapshot_translators(Path(), step, Position(), task)
    return best, snapshot(Path(), step, Position(), task)


def _warm_up_torch() -> None:
    """Allocate what torch needs once for its first step, so that it is not counted."""
    convolution = torch.nn.Conv2d(1, 1, 1)
    adam = torch.optim.Adam(convolution.parameters())
    convolution(torch.zeros(1, 1, 8, 8)).sum().backward()
    adam.step()
