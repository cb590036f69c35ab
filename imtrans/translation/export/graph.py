"""The network as it is exported: each image normalised by itself, in any batch."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from imtrans.api.errors import ImtransError
from imtrans.api.layers import InstanceNorm
from imtrans.api.samplers import noise_channels
from imtrans.translation.export.low_precision import lower_layers
from imtrans.translation.export.values import Form
from imtrans.translation.network.modes import Statistics, has_norms_of_its_own


class Graph(nn.Module):
    """From a source (N, C, H, W) in its form to outputs in theirs, float32 both; the network
    between them computes in `dtype`."""

    def __init__(self, network: nn.Module, source: Form, target: Form, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.source, self.target = network, source, target
        self.dtype = dtype

    def forward(self, source: Tensor) -> tuple[Tensor, ...]:
        seen = self.source.encode(source)
        return self.target.decode(self.network(seen.to(self.dtype)).float(), seen)


class SamplerGraph(Graph):
    """The same of a network that samples, from a source and the noise that it would draw; it takes
    both in float32."""

    def forward(self, source: Tensor, noise: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        seen = self.source.encode(source)
        return self.target.decode(self.network(seen, noise).float(), seen)


class PerImage(nn.Module):
    """A batch norm that uses the statistics of each image, or an instance norm.

    A group norm with a group for each channel computes that for any batch in one kernel, which
    both exporters know.
    """

    def __init__(self, norm: _BatchNorm | _InstanceNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.channels, self.eps = norm.num_features, norm.eps

    def forward(self, image: Tensor) -> Tensor:
        return group_norm(image, self.channels, self.weight, self.bias, self.eps)


class InFloat32(nn.Module):
    """A norm within a network of low precision: its sums need all digits."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, image: Tensor) -> Tensor:
        normed: Tensor = self.norm(image.float())
        return normed.to(image.dtype)


def exportable(module: nn.Module, statistics: Statistics, dtype: torch.dtype) -> nn.Module:
    """A copy of a translator's module that computes the same in an exported graph. Raises
    ImtransError for modules that an exported graph cannot follow."""
    if getattr(module, "draws", False) and noise_channels(module) is None:
        raise ImtransError(
            "this network draws random numbers and cannot be given them, so that an exported file "
            "would never agree with it: it has no `noise_channels` and takes no `noise`"
        )
    if statistics == "image" and has_norms_of_its_own(module):
        raise ImtransError(
            "this network has a batch norm of its own, which an exported file cannot apply to each "
            "image of a batch by itself. use --statistics running"
        )
    network = deepcopy(module).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if noise_channels(module) is None:
        network.to(dtype)
    elif dtype is not torch.float32:
        lower_layers(network, dtype)
    for name, norm in module.named_modules(remove_duplicate=False):
        if name and (replacement := _replaced(norm, statistics, dtype)):
            network.set_submodule(name, replacement)
    return network.requires_grad_(False)


def _replaced(module: nn.Module, statistics: Statistics, dtype: torch.dtype) -> nn.Module | None:
    """What takes a norm's place; None for other modules."""
    if not isinstance(module, _BatchNorm | _InstanceNorm | nn.GroupNorm | nn.LayerNorm):
        return None
    norm: nn.Module = deepcopy(module)
    if isinstance(norm, _BatchNorm | _InstanceNorm) and _is_per_image(norm, statistics):
        norm = PerImage(norm)
    return norm if dtype is torch.float32 else InFloat32(norm)


def _is_per_image(norm: _BatchNorm | _InstanceNorm, statistics: Statistics) -> bool:
    if isinstance(norm, _InstanceNorm):
        known = type(norm).forward in (_InstanceNorm.forward, InstanceNorm.forward)
        return known and norm.running_mean is None
    return statistics == "image" or norm.running_mean is None
