"""How much the colours of outputs and of targets have in common.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
2017, section 4.2 and figure 7.
"""

import torch
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.metric import ImageMetric

# The bins of L, a and b are centred on their whole numbers: grey, whose a and b are 0 up to
# rounding, is in one bin. The a and b of every sRGB colour are within +-108.
LOWEST, BINS = (0, -110, -110), (101, 221, 221)


@hookimpl
def register_metrics(register: Register) -> None:
    register("lab_histogram", LabHistogram)


class LabHistogram(ImageMetric):
    """What the colours of all outputs and of all targets share in CIE Lab (0 to 1).

    The intersection of histograms, the sum of min(p, q) over their bins: `lab_histogram_L`, `_a`
    and `_b` of the three marginal distributions over all images, and `lab_histogram`, the mean of
    the three (Isola et al. 2017, section 4.2). The paper does not say how many bins it has; here
    they are one unit wide, less than an eye tells apart, and fixed: wider bins give higher values.
    Lab of sRGB with D65. Every image counts the same, whatever its size.
    """

    needs_target = False  # it compares all outputs with all targets
    of_pictures = True

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.cat([_histograms(output), _histograms(target)], 1)

    def values(self, mean: Tensor) -> dict[str, Tensor]:
        outputs, targets = mean.chunk(2, -1)
        shared = torch.minimum(outputs, targets).split(BINS, -1)
        light, a, b = (channel.sum(-1).clamp(max=1) for channel in shared)  # but for rounding
        return {
            "lab_histogram": (light + a + b) / 3,
            "lab_histogram_L": light,
            "lab_histogram_a": a,
            "lab_histogram_b": b,
        }


def _histograms(pictures: Tensor) -> Tensor:
    """The share of pixels in each bin of L, of a and of b, (N, 543), of (N, 3, H, W)."""
    # Imported late: kornia is slow to import.
    from kornia.color import rgb_to_lab

    lab = rgb_to_lab((pictures.clamp(-1, 1) + 1) / 2).flatten(2)
    first = [sum(BINS[:channel]) - LOWEST[channel] for channel in range(3)]
    bins = lab.round().long() + torch.tensor(first, device=lab.device)[:, None]
    counts = torch.zeros(len(lab), sum(BINS), dtype=torch.long, device=lab.device)
    counts.scatter_add_(1, bins.flatten(1), torch.ones_like(bins).flatten(1))
    return counts / lab.shape[-1]
