"""The original adversarial loss of a GAN, in its non-saturating form.

Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, section 3.
"""

from torch import Tensor
from torch.nn.functional import softplus

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_adversarial(register: Register) -> None:
    register("vanilla", Vanilla)


class Vanilla:
    """Binary cross-entropy on logits, averaged over patches (nats)."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        # Halved, as in pix2pix, so that the discriminator does not outrun the generator.
        return (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        # -log D instead of log(1 - D): its gradient does not vanish while the fakes are poor.
        return softplus(-fake_logits).mean()
