"""Metrics of a third party, each of another kind: which of them can shares measure?"""

import torch

from imtrans.api.hookspecs import hookimpl
from imtrans.api.metric import SetMetric


@hookimpl
def register_metrics(register):
    register("set_distance", SetDistance)
    register("mean_gap", MeanGap)
    register("pixel_gap", PixelGap)
    register("sum_of_outputs", SumOfOutputs)


class SetDistance(SetMetric):
    """How far the mean colours of two sets are apart, with a remark of the order of rows."""

    def rows(self, output, target):
        return torch.cat([output.mean((2, 3)), target.mean((2, 3))], 1)

    def of_all(self, rows):
        weights = torch.arange(1, len(rows) + 1).double()[:, None]
        return float(((rows[:, :3] - rows[:, 3:]) * weights).sum().abs())


class MeanGap:
    """A mean over images."""

    higher_is_better = False

    def __init__(self):
        self.reset()

    def reset(self):
        self.values, self.weights = [], []

    def update(self, output, target):
        self.values.append(float((output.double() - target.double()).abs().mean()))
        self.weights.append(self.weight(output))

    def weight(self, output):
        return 1

    def compute(self):
        total = sum(v * w for v, w in zip(self.values, self.weights, strict=True))
        return total / sum(self.weights)


class PixelGap(MeanGap):
    """A mean over pixels: of images of one size it is that over images."""

    def weight(self, output):
        return output[0, 0].numel()


class SumOfOutputs(MeanGap):
    """One of all outputs together, whatever their targets."""

    needs_target = False

    def compute(self):
        return sum(self.values)
