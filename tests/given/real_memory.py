"""What a whole training takes, measured from outside of what measures it."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit


def resident(row):
    """Bytes that this process has in memory: VmRSS now, VmHWM at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{row}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(row)


def taken_by_training(file, overrides, run_dir):
    """Bytes above what Python and torch have taken before, at the peak of a training. For a
    process of its own."""
    import torch

    task = Task(recipes.read(file, overrides, catalog()), catalog())
    adam = torch.optim.Adam(torch.nn.Linear(1, 1).parameters())
    adam.step()
    before = resident("VmRSS")
    fit(task, run_dir, device="cpu", console=Console(file=StringIO()))
    return resident("VmHWM") - before
