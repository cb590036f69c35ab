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
    equation 9. Where there are several logits per image, each patch counts as a sample: the squared
    norm is that of their sum's gradient, divided by their number, so that gamma means about the
    same for any size of image (where patches overlap, their gradients add up). With one logit per
    image it is the paper's. Of several scales it is the mean.

    Computed in fp32, whatever the engine computes in, and uncompiled: squares of small gradients
    need all digits, and torch.compile knows no second derivatives.
    """
    seen = image.detach().requires_grad_(True)
    # Also in the backward pass that follows: nothing in it is cast, as nothing in here is.
    with torch.enable_grad(), torch.autocast(image.device.type, enabled=False):
        # What nn.Module calls where nothing is compiled, with hooks.
        found = scales(discriminator._call_impl(source, seen))
        penalties = [_squared_gradient(logits, seen) for logits, _ in found]
        return torch.stack(penalties).mean()


def _squared_gradient(logits: Tensor, seen: Tensor) -> Tensor:
    # The sum over a batch, too: each image has a gradient of its own.
    (gradient,) = torch.autograd.grad(logits.sum(), seen, create_graph=True)
    return gradient.square().sum() / logits.numel()
