"""How much of a checkerboard is in the outputs of a generator after a short training.

A checkerboard is a pattern of the upsampling's stride: energy of the output's spectrum at the
frequencies k / stride, where photographs have no more than at the frequencies beside them.
"""

from itertools import product
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from imtrans.api.method import Batch
from imtrans.data.loader import stack
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.step.engine import Engine
from imtrans.training.step.step import Step

CPU = torch.device("cpu")
NEAR, FAR = 2, 5  # bins: neighbours of a frequency; the window spreads it over the one beside it

RECIPE = """
title = "checkerboards"
[data]
root = "{root}"
direction = "BtoA"
load_size = {size}
crop_size = {size}
workers = 0
cache = false
[generator]
name = "{generator}"
width = 16
[discriminator]
name = "patch_70"
width = 16
[adversarial]
name = "vanilla"
[[loss]]
name = "l1"
weight = 100.0
[train]
epochs = 1
"""


def excess(images: Tensor, stride: int) -> float:
    """By how many dB the frequencies k / stride exceed those around them, the mean over them and
    over images (N, C, H, W), whose sides are multiples of the stride."""
    height, width = images.shape[-2:]
    grey = images.double().mean(1)
    grey = grey - grey.mean((1, 2), keepdim=True)
    window = torch.hann_window(height).double()[:, None] * torch.hann_window(width).double()
    power = torch.fft.fft2(grey * window).abs().square().mean(0)
    found = [
        _over_neighbours(power, height * i // stride, width * j // stride)
        for i, j in product(range(stride), repeat=2)
        if (i, j) != (0, 0)
    ]
    return mean(found)


def _over_neighbours(power: Tensor, row: int, column: int) -> float:
    """One bin over the mean of those NEAR to FAR bins away, along the axis that it is on."""
    reach = [*range(-FAR, -NEAR + 1), *range(NEAR, FAR + 1)]
    height, width = power.shape
    places = [((row + i) % height, column) for i in reach] if row else []
    places += [(row, (column + j) % width) for j in reach] if column else []
    around = torch.stack([power[at] for at in places]).log10().mean()
    return 10 * float(power[row, column].log10() - around)


def trained(task: Task, steps: int) -> Step:
    method = task.method(CPU)
    step = Step(method, Engine("fast", CPU), task.recipe.train)
    for number in range(steps):
        epoch, index = divmod(number, len(task.pairs))
        step(_batch(task, [task.sampler.training(task.pairs, epoch + 1, index)]))
    return step


def _batch(task: Task, samples: list) -> Batch:
    return Batch(*task.encoding.encode(*stack(samples)))


@torch.no_grad()
def outputs(task: Task, step: Step, count: int) -> tuple[Tensor, Tensor]:
    """Of pairs that were not trained on, one by one, as a translator makes them; and targets."""
    generator = step.method.translators()["generator"]
    for module in generator.modules():
        module.training = not isinstance(module, torch.nn.Dropout)
    pairs = task.validation_pairs
    batches = [
        _batch(task, [task.sampler.training(pairs, 1, index)])
        for index in range(min(count, len(pairs)))
    ]
    found = torch.cat([generator(batch.source) for batch in batches])
    return found, torch.cat([batch.target for batch in batches])


def measured(
    root: Path, generator: str, upsample: str, seed: int, *, steps: int, size: int, count: int = 30
) -> dict[str, float]:
    """Of the outputs and of the targets, at the strides 2 and 4."""
    text = RECIPE.format(root=root.as_posix(), size=size, generator=generator)
    settings = (f"seed={seed}", f"generator.upsample={upsample}")
    task = Task(recipes.parse(text, "checkerboard", settings, catalog()), catalog())
    torch.manual_seed(seed)
    found, targets = outputs(task, trained(task, steps), count)
    return {
        "stride 2": excess(found, 2),
        "stride 4": excess(found, 4),
        "target 2": excess(targets, 2),
        "target 4": excess(targets, 4),
        "l1": float((found - targets).abs().mean()),
    }
