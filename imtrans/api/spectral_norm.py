"""Spectral normalisation: layers whose weight is divided by its largest singular value.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018, section 2.1
and algorithm 1: such a layer magnifies no difference, so that a discriminator cannot become
arbitrarily steep.

torch's own (torch.nn.utils.parametrizations.spectral_norm) computes the singular value in bf16
under autocast, renames parameters, so that weights of a network without it cannot be loaded, and
moves its estimate at every call, whatever is trained. Here it is fp32, names stay, and the estimate
moves only where the layer learns: so it is the same in all engines and on all ranks.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, linear, normalize

SETTLING = 15  # iterations for new weights, as in torch


class SpectralLayer(nn.Module):
    """A layer that computes with weight / sigma, sigma an estimate of the largest singular value.

    Where the weight learns, each call takes one step of power iteration from `u` (out channels),
    the left singular vector of the last call; in evaluation, and while the layer is frozen, `u`
    stays as it is. `u` is a buffer, saved with the weights.
    """

    weight: Tensor
    u: Tensor
    out_axis = 0  # of the weight

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register_buffer("u", torch.empty(self.weight.shape[self.out_axis]))
        self.settle()

    @torch.no_grad()
    def settle(self) -> None:
        """Estimate for weights that were just drawn (as `init_weights` does)."""
        self.u.copy_(normalize(torch.randn_like(self.u), dim=0))
        matrix = self._matrix()
        for _ in range(SETTLING):
            self.u.copy_(_left(matrix, _right(matrix, self.u)))

    def normalised(self) -> Tensor:
        """weight / sigma, through which gradients flow to the weight."""
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self._matrix()
            v = _right(matrix.detach(), self.u)
            if self.training and self.weight.requires_grad and torch.is_grad_enabled():
                self.u.copy_(_left(matrix.detach(), v))
            # A copy of u, which changes in the next pass, before gradients are computed.
            sigma = torch.dot(self.u.clone(), torch.mv(matrix, v))
            return self.weight / sigma

    def _matrix(self) -> Tensor:
        """(out channels, all else)"""
        return self.weight.transpose(0, self.out_axis).flatten(1)


def _left(matrix: Tensor, v: Tensor) -> Tensor:
    return normalize(torch.mv(matrix, v), dim=0)


def _right(matrix: Tensor, u: Tensor) -> Tensor:
    return normalize(torch.mv(matrix.t(), u), dim=0)


class SpectralConv2d(SpectralLayer, nn.Conv2d):
    """A convolution with spectral normalisation."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.normalised(), self.bias)


class SpectralConvTranspose2d(SpectralLayer, nn.ConvTranspose2d):
    """A transposed convolution with spectral normalisation."""

    out_axis = 1

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        assert output_size is None, "give output_padding instead"
        return conv_transpose2d(
            input,
            self.normalised(),
            self.bias,
            self.stride,
            self.padding,  # type: ignore[arg-type]  # a text only in other convolutions
            self.output_padding,
            self.groups,
            self.dilation,
        )


class SpectralLinear(SpectralLayer, nn.Linear):
    """A linear layer with spectral normalisation."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.normalised(), self.bias)


def convolution(spectral_norm: bool) -> type[nn.Conv2d]:
    """The class of convolutions for an option `spectral_norm`."""
    return SpectralConv2d if spectral_norm else nn.Conv2d
