"""The training step of a recipe, for tests that look inside."""

import torch

from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step

CPU = torch.device("cpu")


def step_of(recipe, engine=None, installed=None):
    """A fresh step of the recipe's method, on the plain engine unless another is given."""
    engine = engine or plain(CPU)
    method = Task(recipe, installed or catalog()).method(engine.device)
    return Step(method, engine, recipe.train)
