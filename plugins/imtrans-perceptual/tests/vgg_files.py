"""Files of random weights in the shapes of VGG's first layers."""

import torch

# Torchvision's numbers of the convolutions, and their channels.
VGG16 = ((0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256), (17, 512))
VGG19 = (*VGG16[:7], (16, 256), (19, 512))


def random_weights(layers, seed=0):
    """As many layers as are given, named as torchvision does; features keep their size on average,
    so that none vanishes."""
    generator, channels, state = torch.Generator().manual_seed(seed), 3, {}
    for index, width in layers:
        kernel = torch.randn(width, channels, 3, 3, generator=generator)
        state[f"features.{index}.weight"] = kernel * (2 / (9 * channels)) ** 0.5
        state[f"features.{index}.bias"] = torch.randn(width, generator=generator) * 0.1
        channels = width
    return state
