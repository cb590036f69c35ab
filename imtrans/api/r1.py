"""The R1 penalty: a discriminator is to be flat around real images.

Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018,
equation 9.
"""

import torch
from torch import Tensor, nn

from imtrans.api.method import scales


@torch._disable_dynamo  # as torch.compile knows no derivative of a derivative
def r1_penalty(discriminator: nn.Module, source: Tensor, image: Tensor) -> Tensor:
    """The mean over real pairs of ||grad D(source, image)||^2, the gradient to the image alone.

    To be added to what the discriminator's phase descends, with the weight gamma / 2: then it is
    equation 9. D is the mean logit of an image, over its patches and over scales, which is what
    the adversarial losses average over, too; for one logit per image it is the paper's.

    Computed in fp32, whatever the engine computes in, and uncompiled: squares of small gradients
    need all digits, and torch.compile knows no second derivatives.
    """
    seen = image.detach().requires_grad_(True)
    # Also in the backward pass that follows: nothing in it is cast, as nothing in here is.
    with torch.enable_grad(), torch.autocast(image.device.type, enabled=False):
        # What nn.Module calls where nothing is compiled, with hooks.
        found = scales(discriminator._call_impl(source, seen))
        each = [logits.flatten(1).mean(1) for logits, _ in found]
        total = torch.stack(each).mean(0).sum()  # of a batch: each image has its own gradient
        (gradient,) = torch.autograd.grad(total, seen, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()
