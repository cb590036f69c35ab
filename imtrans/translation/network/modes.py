"""The modes in which a network translates: what its norms use, and whether dropout is on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from imtrans.api.layers import BatchNorm2d

Statistics = Literal["image", "running"]


class EachByItself(TorchFunctionMode):
    """Within, and in this thread alone, batch norm that uses the statistics of its batch normalises
    each image of it by its own instead.

    Image by image: these are the bits of one image alone. On a CPU it is the fastest too (unet_256
    on 8 images of 256 px, channels last, takes a quarter longer with one batch norm of N * C
    channels, and a fifth longer with torch.var_mean and the rest by hand).
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not functional.batch_norm:
            return func(*args, **kwargs)
        return _batch_norm(*args, **kwargs)


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """torch's own of this name, with the statistics of each image."""
    others = running_mean, running_var, weight, bias, training, momentum, eps
    if not training or len(input) == 1:
        return functional.batch_norm(input, *others)
    return torch.cat([functional.batch_norm(image, *others) for image in input.split(1)])


def has_norms_of_its_own(network: nn.Module) -> bool:
    """Whether a batch norm computes otherwise than torch's: what it does to several images is
    unknown."""
    norms = (module for module in network.modules() if isinstance(module, _BatchNorm))
    return any(
        type(norm).forward not in (_BatchNorm.forward, BatchNorm2d.forward) for norm in norms
    )


def set_modes(network: nn.Module, statistics: Statistics) -> None:
    """Put a network into the modes in which it translates; dropout is off.

    With `image` batch norm normalises each batch by its own statistics, without gathering them.
    """
    network.eval()
    if statistics == "running":
        return
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.training = True
            module.track_running_stats = False


@contextmanager
def translating(*networks: nn.Module, statistics: Statistics = "image") -> Iterator[None]:
    """Have networks that are in training translate for a while."""
    modules = [module for network in networks for module in network.modules()]
    before = [module.training for module in modules]
    for network in networks:
        set_modes(network, statistics)
    try:
        yield
    finally:
        for module, training in zip(modules, before, strict=True):
            module.training = training
            if isinstance(module, _BatchNorm):
                module.track_running_stats = module.running_mean is not None
