"""Feature matching: a fake is to look like its target inside the discriminator, too.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs"
(pix2pixHD), CVPR 2018, equation 4; before, without pairs: Salimans et al., "Improved Techniques
for Training GANs", NeurIPS 2016, section 3.1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from imtrans.api.errors import ImtransError
from imtrans.api.method import Parts, Scale, scales

Output = Tensor | Sequence[Scale]  # what a discriminator returns

NO_FEATURES = (
    "the discriminator returns no features, which method.feature_matching compares: set "
    "discriminator.features = true, or choose a discriminator that returns a list of "
    "(logits, features)"
)


def feature_matching(on_fake: Output, on_real: Output) -> Tensor:
    """The distance between what a discriminator returned for a fake pair and for the real one.

    Of each layer the mean absolute difference, summed over layers as in equation 4, and the mean of
    that over scales, as the adversarial loss is one. Gradients flow to the fake alone. Raises
    ImtransError when there are no features.
    """
    distances = []
    for (_, fake), (_, real) in zip(scales(on_fake), scales(on_real), strict=True):
        if not len(fake):
            raise ImtransError(NO_FEATURES)
        pairs = zip(fake, real, strict=True)
        layers = [l1_loss(one.float(), other.detach().float()) for one, other in pairs]
        distances.append(torch.stack(layers).sum())
    return torch.stack(distances).mean()


def check_features(discriminator: nn.Module, parts: Parts) -> None:
    """Raise ImtransError unless a discriminator returns features at every scale: found out on one
    grey image, before the data are read."""
    source, image = (
        torch.zeros(1, channels, *parts.size)
        for channels in (parts.source_channels, parts.target_channels)
    )
    training = discriminator.training
    discriminator.eval()  # running statistics stay as they are
    try:
        with torch.no_grad():
            found = scales(discriminator(source, image))
    finally:
        discriminator.train(training)
    if not all(len(features) for _, features in found):
        raise ImtransError(NO_FEATURES)
