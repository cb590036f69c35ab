"""A recipe that trains in a moment, with its pairs."""

from drawn import write_pairs

TINY = """
title = "tiny"

[data]
root = "{root}"
load_size = 72
crop_size = 64
workers = 0

[generator]
name = "resnet_6"
width = 4

[discriminator]
name = "patch_16"
width = 4

[adversarial]
name = "vanilla"

[[loss]]
name = "l1"
weight = 100.0

[train]
epochs = 2
precision = "fp32"
log_every = 2
sample_every = 3
checkpoint_every = 4
engine = "plain"
"""


def write_tiny(folder, engine="plain"):
    """Six pairs to train on, three for validation, and the recipe; returns its file."""
    write_pairs(folder / "pairs" / "train", 6)
    write_pairs(folder / "pairs" / "val", 3)
    path = folder / "tiny.toml"
    text = TINY.format(root=(folder / "pairs").as_posix())
    path.write_text(text.replace('engine = "plain"', f'engine = "{engine}"'))
    return path
