"""The memory of a step, as `python tests/step_memory.py RECIPE` calculates it."""

import pytest
import torch
from calculated_memory import Alive, peak, resized
from torch._subclasses.fake_tensor import FakeTensorMode

from imtrans.recipe.catalog import catalog
from imtrans.task import Task


def test_what_is_alive_at_once_is_added_up():
    with FakeTensorMode():
        alive = Alive()
        with alive:
            one = torch.zeros(1000)
            two = one + 1
            assert alive.now == 8000
            view = two[:10]
            del one
            assert (alive.now, alive.peak) == (4000, 8000)
            del two
            assert alive.now == 4000  # a view keeps all of it
            del view
            assert (alive.now, alive.peak) == (0, 8000)


@pytest.mark.thorough
def test_a_step_keeps_weights_gradients_moments_and_activations(tiny):
    networks = Task(tiny, catalog()).method(torch.device("cpu")).networks().values()
    weights = sum(4 * p.numel() for network in networks for p in network.parameters())
    small, large = (peak(resized(tiny, (side, 2 * side)), "fp32", 1) for side in (64, 128))
    assert small > 4 * weights
    # Four times the pixels: what is kept for the backward pass, and no weights.
    assert 3 < (large - 4 * weights) / (small - 4 * weights) < 4.5
    assert peak(resized(tiny, (128, 256)), "bf16", 1) < large
