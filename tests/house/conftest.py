"""Of the contracts, what takes seconds and is tested elsewhere too is for make soak."""

import pytest

# It imports most of wandb and starts its service: tests/training/test_tensorboard_and_wandb.py does
# so too, and looks at what is written.
SLOW = ("logger wandb: hears a whole training and can continue",)


@pytest.hookimpl(tryfirst=True)  # before they are selected by their marks
def pytest_collection_modifyitems(items):
    for item in items:
        if any(name in item.name for name in SLOW):
            item.add_marker(pytest.mark.soak)
