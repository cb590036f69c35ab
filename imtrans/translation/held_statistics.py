"""Norm statistics of a whole picture, gathered from its tiles and then held for all of them.

Batch norm and instance norm normalise by the mean and the variance of what they see. Of tiles seen
by themselves each would have its own: a tile of water would get the contrast of a town, and the
tiles would differ in tone. So one pass gathers what the norms would see of the whole, and in
another one all tiles are normalised with that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from imtrans.api.errors import ImtransError


@dataclass(frozen=True)
class Moments:
    """The mean and the variance of each channel (C), or of each group of channels, in float32."""

    mean: Tensor
    variance: Tensor


Statistics = list[Moments]  # of one norm after the other, in the order in which they are called


def pooled(parts: Sequence[tuple[Moments, float]]) -> Moments:
    """The moments of parts together, each with its weight."""
    means = torch.stack([moments.mean for moments, _ in parts])
    variances = torch.stack([moments.variance for moments, _ in parts])
    weights = torch.tensor([weight for _, weight in parts], device=means.device)
    return _joint(means, variances, weights)


def _joint(means: Tensor, variances: Tensor, weights: Tensor) -> Moments:
    """Of (N, C) and the weights of the N."""
    shares = (weights / weights.sum())[:, None]
    mean = (means * shares).sum(0)
    # Around the joint mean, not as a difference of squares, which would lose digits.
    return Moments(mean, ((variances + (means - mean).square()) * shares).sum(0))


class Gathering(TorchFunctionMode):
    """Within, and in this thread alone, the images of a batch are normalised together, and what
    they were normalised with is in `found`. `weights`: how much each of the N images counts."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self._weights = weights
        self.found: Statistics = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        call = _normalising(func, args, kwargs or {})
        if call is None:
            return func(*args, **(kwargs or {}))
        self.found.append(call.moments(self._weights))
        return call.normalised(self.found[-1])


class Held(TorchFunctionMode):
    """Within, and in this thread alone, one pass of a network normalises with these."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self._left = iter(statistics)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        call = _normalising(func, args, kwargs or {})
        if call is None:
            return func(*args, **(kwargs or {}))
        moments = next(self._left, None)
        if moments is None or len(moments.mean) != call.groups:
            raise ImtransError(
                "the network normalises some tiles otherwise than others; leave out --tile"
            )
        return call.normalised(moments)


@dataclass(frozen=True)
class _Normalising:
    """A call of a norm that uses the statistics of its input (N, C, ...)."""

    input: Tensor
    groups: int  # of channels that have a mean in common
    weight: Tensor | None
    bias: Tensor | None
    eps: float

    def moments(self, weights: Tensor) -> Moments:
        values = self.input.float().reshape(len(self.input), self.groups, -1)
        variances, means = torch.var_mean(values, dim=2, correction=0)
        return _joint(means, variances, weights.to(means.device))

    def normalised(self, moments: Moments) -> Tensor:
        if self.groups == self.input.shape[1]:
            affine, grouped = (self.weight, self.bias), self.input
        else:
            affine, grouped = (None, None), self.input.reshape(len(self.input), self.groups, -1)
        normed = functional.batch_norm(
            grouped, moments.mean, moments.variance, *affine, training=False, eps=self.eps
        )
        if grouped is self.input:
            return normed
        normed, channels = normed.view_as(self.input), (-1, *[1] * (self.input.ndim - 2))
        normed = normed if self.weight is None else normed * self.weight.view(channels)
        return normed if self.bias is None else normed + self.bias.view(channels)


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _Normalising | None:
    return _Normalising(input, input.shape[1], weight, bias, eps) if training else None


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> _Normalising | None:
    return _Normalising(input, input.shape[1], weight, bias, eps) if use_input_stats else None


def _group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> _Normalising | None:
    return _Normalising(input, num_groups, weight, bias, eps)


# With the arguments of torch's own of these names.
_NORMS: dict[Any, Callable[..., _Normalising | None]] = {
    functional.batch_norm: _batch_norm,
    functional.instance_norm: _instance_norm,
    functional.group_norm: _group_norm,
}


def _normalising(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Normalising | None:
    """What a call normalises, if it is one of a norm that uses the statistics of its input."""
    read = _NORMS.get(func)
    return read(*args, **kwargs) if read else None
