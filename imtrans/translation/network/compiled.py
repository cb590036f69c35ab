"""A network compiled for translating, where so many images are to come that it repays the wait.

On a CPU unet_256 translates a quarter faster so (2 cores with AVX512-BF16), after 6 to 15 seconds.
Results differ from those of the network as it is by rounding alone, as bf16 from fp32 does.
"""

import os
import shutil
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from imtrans.api.errors import is_out_of_memory

# Images from which on it is repaid, of a network with so many weights: some times what unet_256
# needs on a CPU. One of width 4 gets no faster, and the compiler takes 130 MB. On a GPU it is not
# measured yet.
REPAID, WEIGHTS = {"cpu": 5000, "cuda": 5000}, 10_000_000
IMAGES = {"cpu": 4, "cuda": 16}  # of a batch: it is compiled for one size
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++")  # that torch looks for
SIZES = 2  # that are compiled for: those that come first
SAME = 0.01  # mean difference of outputs in [-1, 1] that rounding explains


def repaid_from(network: nn.Module, device: torch.device) -> int | None:
    """From how many images on it pays off; None: never."""
    large = sum(weight.numel() for weight in network.parameters()) >= WEIGHTS
    return REPAID.get(device.type) if large else None


class PerImageNorm(nn.Module):
    """Batch norm by the statistics of each image, in steps that a compiler joins with others."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, image: Tensor) -> Tensor:
        wide = image.float()
        variance, mean = torch.var_mean(wide, dim=(2, 3), keepdim=True, correction=0)
        normed = (wide - mean) * torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            normed = normed * self.weight[:, None, None] + self.bias[:, None, None]
        return normed.to(image.dtype)


class Compiled:
    """A network in the modes in which it translates, compiled for batches of `images` of the first
    sizes that come. `why_not` says why it is not compiled after all; `passed_over`: whether there
    were sizes of which not so many go together."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.images = IMAGES.get(device.type, 1)
        self.why_not: str | None = None
        self.passed_over = False
        self._network = network
        self._compiled = torch.compile(
            _by_image(network),
            dynamic=False,
            options={"freezing": True} if device.type == "cpu" else None,
        )
        self._sizes: dict[torch.Size, bool] = {}  # whether it was compared
        if device.type == "cpu" and not any(map(shutil.which, COMPILERS)):
            self.why_not = "there is no C++ compiler here"

    def takes(self, padded: Tensor) -> bool:
        """Whether images of this size are for it."""
        size = padded.shape[1:]
        if self.why_not is None and len(self._sizes) < SIZES:
            self._sizes.setdefault(size, False)
        return self.why_not is None and size in self._sizes

    @property
    def remark(self) -> str | None:
        """Why nothing was computed by it, if anything was to be."""
        if self.why_not or self._sizes or not self.passed_over:
            return self.why_not
        return f"fewer than {self.images} images of these sizes go through the network together"

    def __call__(self, padded: Tensor) -> Tensor | None:
        """The outputs for up to `images` sources; None where it fails, as it then always does."""
        missing = self.images - len(padded)
        # Also where none is missing: a tensor from outside of inference mode is compiled for again.
        whole = torch.cat([padded, padded[-1:].expand(missing, -1, -1, -1)])
        try:
            output: Tensor = self._compiled(whole)[: len(padded)].float()
            if not self._sizes[padded.shape[1:]]:
                self._compare(output[:1], padded[:1])
        except Exception as error:  # whatever a compiler does with a plugin's network
            if is_out_of_memory(error):
                raise
            self.why_not = " ".join(str(error).split())[:200] or type(error).__name__
        return None if self.why_not else output

    def _compare(self, output: Tensor, source: Tensor) -> None:
        self._sizes[source.shape[1:]] = True
        apart = float((output - self._network(source).float()).abs().mean())
        if not apart <= SAME:
            self.why_not = f"its outputs would differ by {apart:.2g}"


def _by_image(network: nn.Module) -> nn.Module:
    """A copy of the network whose batch norms see each image by itself, if they use what they
    see."""
    copy = deepcopy(network).requires_grad_(False)
    for name, norm in list(copy.named_modules()):
        # Without averages it uses what it sees in any mode.
        if isinstance(norm, _BatchNorm) and (norm.training or norm.running_mean is None):
            copy.set_submodule(name, PerImageNorm(norm))
    return copy
