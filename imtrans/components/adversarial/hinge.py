"""The hinge adversarial loss of a GAN.

Lim and Ye, "Geometric GAN", 2017 (arXiv 1705.02894), equations 10 and 11; Miyato et al., "Spectral
Normalization for Generative Adversarial Networks", ICLR 2018, equations 16 and 17.
"""

from torch import Tensor
from torch.nn.functional import relu

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_adversarial(register: Register) -> None:
    register("hinge", Hinge)


class Hinge:
    """What the logits lack to a margin of 1 (real) and -1 (fake), averaged over patches.

    The discriminator gains nothing beyond the margin: its loss is 0 where it tells all patches
    apart. The generator's loss is the mean logit of its fakes, negated, which has no lower bound.
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        # Halved, unlike in the papers, as vanilla and lsgan are: one weight means the same in all.
        return (relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()) / 2

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return -fake_logits.mean()
