"""The distance between two images in the features of a network that is not trained."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from imtrans.api.errors import ImtransError
from imtrans_perceptual.trunk import Trunk

Distance = Literal["l1", "l2"]
DISTANCES: dict[Distance, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1_loss, "l2": mse_loss}

# Mean and deviation of ImageNet's photographs in [0, 1], by which these networks were trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Perceptual(nn.Module):
    """A weighted sum over layers of the mean distance between the features of two images.

    Images are RGB or grey, (N, 3, H, W) or (N, 1, H, W) in [-1, 1]; the gradient goes to the first
    alone. Other channels, and sizes of which a layer has no pixel, raise ImtransError.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, name: str, trunk: Trunk, layer_weights: Sequence[float], distance: Distance
    ) -> None:
        super().__init__()
        self.name, self.trunk, self.layer_weights = name, trunk, tuple(layer_weights)
        self.distance = DISTANCES[distance]
        deviation = torch.tensor(DEVIATION).view(3, 1, 1)
        # From [-1, 1] at once: (image + 1) / 2, less the mean, over the deviation.
        self.register_buffer("scale", 0.5 / deviation)
        self.register_buffer("shift", (0.5 - torch.tensor(MEAN).view(3, 1, 1)) / deviation)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        self._check(target)
        # Two passes rather than one over both images: of the target's nothing is kept.
        with torch.no_grad():
            wanted = self._features(target)
        seen = self._features(output)
        # Features may be bf16, whose eight bits are too few for a mean over many values.
        distances = (
            weight * self.distance(one.float(), other.float())
            for weight, one, other in zip(self.layer_weights, seen, wanted, strict=True)
        )
        return sum(distances, output.new_zeros(()))

    def _features(self, image: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.trunk(image.expand(-1, 3, -1, -1) * self.scale + self.shift)
        return features

    def _check(self, image: Tensor) -> None:
        channels, height, width = image.shape[1:]
        if channels not in (1, 3):
            raise ImtransError(
                f"loss '{self.name}' looks at RGB or grey pictures; the targets have {channels} "
                "channels"
            )
        for layer in self.trunk.layers:
            smallest = self.trunk.smallest_side(layer)
            if min(height, width) < smallest:
                raise ImtransError(
                    f"loss '{self.name}': of {width} x {height} px nothing is left at the layer "
                    f"'{layer}': it needs {smallest} px or more, or other `layers`"
                )
