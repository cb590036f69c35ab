"""Checkpoints of networks that have learned nothing, of flow matching and of other methods."""

from pathlib import Path

import torch

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs import checkpoint
from imtrans.runs.state import Position, snapshot_translators
from imtrans.task import Task
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step

CPU = torch.device("cpu")


def flow_recipe(tiny_file: Path, steps: int = 2) -> Path:
    """A recipe of flow matching for the pairs of another, beside it; `with_plugin` brings it."""
    text = tiny_file.read_text()
    for table in ("generator", "discriminator", "adversarial", "[loss]"):
        start = text.index(f"[{table}]")
        end = text.find("\n\n", start)
        text = text[:start] + text[end:]
    recipe = tiny_file.with_name("flow.toml")
    recipe.write_text(f'{text}\n[method]\nname = "flow_matching"\nwidth = 4\nsteps = {steps}\n')
    return recipe


def saved(recipe: Path, overrides: list[str], folder: Path) -> Path:
    """Its weights are large enough for another seed to be seen."""
    task = Task(recipes.read(recipe, overrides, catalog()), catalog())
    torch.manual_seed(0)
    networks = task.method(CPU).networks()
    for network in networks.values():
        for weights in network.parameters():
            weights.data.mul_(3)
    checkpoint.save(folder, {name: net.state_dict() for name, net in networks.items()}, task)
    return folder


def saved_by_a_training(recipe: Path, folder: Path) -> Path:
    """With the header that a training writes."""
    task = Task(recipes.read(recipe, [], catalog()), catalog())
    step = Step(task.method(CPU), plain(CPU), task.recipe.train)
    snapshot_translators(folder, step, Position(), task)()
    return folder
