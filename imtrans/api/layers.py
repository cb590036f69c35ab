"""Building blocks for components, built-in or third-party: norms, initialisation, size checks.

Conventions of pix2pix (Isola et al. 2017, section 6.1) in the form of its PyTorch code.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from imtrans.api.spectral_norm import SpectralLayer

Norm = Literal["batch", "instance", "none"]
Upsample = Literal["transposed", "resize"]
Width = Annotated[int, Field(ge=1)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]

LEAK = 0.2  # slope of every LeakyReLU in the paper


def norm_layer(norm: Norm) -> Callable[[int], nn.Module]:
    """A function from channels to a layer: `batch` is affine and keeps running statistics,
    `instance` is neither, `none` is the identity."""
    if norm == "batch":
        return BatchNorm2d
    if norm == "instance":
        return InstanceNorm
    return lambda channels: nn.Identity()


class BatchNorm2d(nn.BatchNorm2d):
    """torch's own, of which an engine may ask for the same in fewer kernels.

    `parts`: the batch is that many batches one after the other, each normalised by itself.
    `calls`: updates of the running statistics are counted here, to be added to
    `num_batches_tracked` for all norms of a step at once; None: each call adds one by itself.
    `dense`: the gradient of the output is laid out in memory as the output is. That of a slice of
    concatenated channels is not, which torch's kernels for channels_last do not take.
    """

    parts = 1
    calls: int | None = None
    dense = False

    def forward(self, input: Tensor) -> Tensor:
        if self.parts == 1:
            return self._normalised(input)
        return torch.cat([self._normalised(part) for part in input.chunk(self.parts)])

    def _normalised(self, input: Tensor) -> Tensor:
        if self.calls is None or not (self.training and self.track_running_stats):
            normed = super().forward(input)
        else:
            self.calls += 1
            normed = batch_norm(
                input,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                training=True,
                momentum=self.momentum,  # type: ignore[arg-type]  # None is not counted so
                eps=self.eps,
            )
        return _GradientLaidOut.apply(normed) if self.dense else normed


class _GradientLaidOut(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, input: Tensor) -> Tensor:
        last = input.is_contiguous(memory_format=torch.channels_last)
        context.format = torch.channels_last if last else torch.contiguous_format
        return input.view_as(input)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous(memory_format=context.format)


class InstanceNorm(nn.InstanceNorm2d):
    """torch's own, without two faults that it has on the CPU (2.13).

    It silently computes a wrong gradient for a batch of one if the gradient that reaches it is
    channels_last, as the gradient of a convolution may be. And in bf16 it rounds the mean and the
    deviation as well, which shifts a whole channel at once: so it computes in fp32.
    """

    def forward(self, input: Tensor) -> Tensor:
        low = input.device.type == "cpu" and input.dtype is torch.bfloat16
        normed: Tensor = _ContiguousGradient.apply(super().forward(input.float() if low else input))
        return normed.to(input.dtype)


class _ContiguousGradient(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, input: Tensor) -> Tensor:
        return input.view_as(input)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return gradient.contiguous() if gradient.device.type == "cpu" else gradient


def needs_bias(norm: Norm) -> bool:
    """Whether a convolution before this norm has a bias.

    Only with instance norm, which here is not affine and so has no shift. With `none` there is no
    bias either, as in the published code, so that its weights can be loaded.
    """
    return norm == "instance"


def upsampling(
    upsample: Upsample, before: int, after: int, *, kernel: int, bias: bool = True
) -> list[nn.Module]:
    """Layers to twice the size, from channels to channels.

    `transposed`: a transposed convolution of stride 2, whose `kernel` is 3 or 4. Where 2 does not
    divide it, its values overlap unevenly; and nothing keeps even a kernel of 4 from learning other
    values for each phase of the grid, which is seen as a checkerboard. `resize`: nearest
    neighbours and a 3x3 convolution, which treats all pixels alike, at 9/4 of the arithmetic of a
    kernel of 4 (Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", 2016).
    """
    if upsample == "resize":
        resized = nn.Upsample(scale_factor=2, mode="nearest")
        return [resized, nn.Conv2d(before, after, 3, padding=1, bias=bias)]
    output_padding = 0 if kernel == 4 else 1
    return [nn.ConvTranspose2d(before, after, kernel, 2, 1, output_padding, bias=bias)]


def init_weights(network: nn.Module, std: float = 0.02) -> None:
    """Draw convolution weights from N(0, std), norm gains from N(1, std); biases become 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
        # The base class includes SyncBatchNorm, whose gains would otherwise silently stay at 1.
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, SpectralLayer):
            module.settle()


def after_activations(trunk: nn.Sequential, image: Tensor) -> list[Tensor]:
    """What a chain of layers makes of an image, as it is after each activation."""
    found = []
    for layer in trunk:
        image = layer(image)
        if isinstance(layer, nn.LeakyReLU):
            found.append(image)
    return found


def check_multiple(image: Tensor, stride: int) -> None:
    """Raise ValueError, with the nearest sizes that fit, unless `stride` divides H and W."""
    height, width = image.shape[-2:]
    if height % stride == 0 and width % stride == 0:
        return
    raise ValueError(
        f"needs sizes that are multiples of {stride}; the image is {width} x {height}. "
        f"use {' or '.join(f'{w} x {h}' for w, h in _nearest(width, height, stride))}"
    )


def _nearest(width: int, height: int, stride: int) -> list[tuple[int, int]]:
    """The next smaller size, if there is one, and the next larger."""
    down = (width // stride * stride, height // stride * stride)
    up = (-(-width // stride) * stride, -(-height // stride) * stride)
    return [down, up] if min(down) > 0 else [up]
