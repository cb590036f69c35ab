"""The least-squares adversarial loss of a GAN.

Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, equation 9 (labels 0, 1).
"""

from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_adversarial(register: Register) -> None:
    register("lsgan", LeastSquares)


class LeastSquares:
    """Squared distance of the logits to 1 (real) and 0 (fake), averaged over patches."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ((real_logits - 1).square().mean() + fake_logits.square().mean()) / 2

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return (fake_logits - 1).square().mean()
