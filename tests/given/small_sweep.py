"""A sweep whose runs train in a moment."""

from cells import RECIPE, register_small
from drawn import write_pairs

SWEEP = """
title = "small"
recipe = "small.toml"
seeds = {seeds}
{equal}

[set]
"train.epochs" = 1
"train.engine" = "plain"
"data.workers" = 0

[variants.paper]

[variants.hinge]
"adversarial.name" = "hinge"
"""


def write_sweep(folder, *, equal=None, more="", seeds=(0, 1)):
    """Six pairs to train on, six for validation, a recipe, and a sweep over it, all to be found
    from `folder`; returns the sweep's file. `more` is added at its end."""
    register_small()
    if not (folder / "pairs").exists():
        for split in ("train", "val"):
            write_pairs(folder / "pairs" / split, 6)
        (folder / "small.toml").write_text(RECIPE.format(root="pairs"))
    path = folder / "small_sweep.toml"
    equal = f'equal = "{equal}"' if equal else ""
    path.write_text(SWEEP.format(equal=equal, seeds=list(seeds)) + more)
    return path
