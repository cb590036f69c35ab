"""Distances between label maps, by the classes of pixels: for targets with `data.target.classes`.

Cross-entropy: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015. Dice: Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for
Volumetric Medical Image Segmentation", 3DV 2016; Sudre et al., "Generalised Dice Overlap as a Deep
Learning Loss Function for Highly Unbalanced Segmentations", DLMIA 2017.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl

# Generators end in a tanh: an output in [-1, 1] cannot be a logit as it is, for of 13 classes the
# right one would have a probability of 0.38 at most. Times 5 it is 0.9995. The inverse of the tanh
# would give the generator's own logits, but in bf16 an output is 1 from 3.5 on, without a gradient.
# Facades, photo to labels, mean IoU after 800 steps (docs/recipe.md has the setting), weight
# 100: 0.154 (two seeds) with softmax(5 * output), 0.158 times 10, 0.114 times 2, 0.109 with
# softmax(atanh(output)), 0.112 with (1 + output) over its sum. With weight 10: 0.114, 0.098 with
# atanh, 0.111 with the sum.
SCALE = 5.0


@hookimpl
def register_losses(register: Register) -> None:
    register("cross_entropy", CrossEntropy)
    register("dice", Dice)


class CrossEntropy:
    """Cross-entropy between the classes of output and target, mean over pixels (nats).

    Each channel is a class: targets are one-hot, 1 and -1, as with `data.target.classes`, and
    softmax(5 * output) are the probabilities of an output in [-1, 1].
    """

    of_classes = True

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        chosen = (target + 1) / 2
        return -(chosen * (SCALE * output).log_softmax(1)).sum(1).mean()


class Dice:
    """1 minus the overlap of output and target, mean over the classes that the batch's targets
    have; from 0 (equal) to 1.

    The overlap of a class is 2 |A B| / (|A|^2 + |B|^2), of the probabilities of all pixels of the
    batch (Milletari et al. 2016), with `smooth` pixels added above and below. Small classes count
    as much as large ones. Channels, targets and probabilities are as in `cross_entropy`, beside
    which it raises the mean IoU.
    """

    of_classes = True

    def __init__(self, *, smooth: Annotated[float, Field(gt=0)] = 1.0) -> None:
        self.smooth = smooth

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        chosen, found = (target + 1) / 2, (SCALE * output).softmax(1)
        pixels = (0, 2, 3)
        # 1 - (2 both + smooth) / (each + smooth), without the difference of two numbers near 1.
        each = (found.square() + chosen.square()).sum(pixels)
        missed = (found - chosen).square().sum(pixels) / (each + self.smooth)
        # A class that the targets do not have costs the classes in whose place it is.
        occurs = chosen.sum(pixels) > 0
        return (missed * occurs).sum() / occurs.sum().clamp(min=1)
