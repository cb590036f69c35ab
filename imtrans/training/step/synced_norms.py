"""Batch norm over the batches of all ranks: synchronised statistics, as torch.nn.SyncBatchNorm.

torch's own is for GPUs only, and a layer of another class. Here the batch norms that a network has
stay what they are, with their initialisation, their names and their ways to translate; within a
step they compute with the statistics of all ranks. Where a rank sees another one's pair a second
time (`imtrans.data.draws.Own`), that does not count.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from imtrans.api.errors import ImtransError
from imtrans.api.layers import BatchNorm2d
from imtrans.host.group import Group


@contextmanager
def synchronised(
    norms: Sequence[_BatchNorm], group: Group, count: Callable[[], bool]
) -> Iterator[None]:
    """Within, norms use the statistics of all ranks. `count` tells whether what this rank sees at
    that moment counts."""
    for norm in norms:
        norm.forward = partial(_forward, norm, group, count)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _forward(norm: _BatchNorm, group: Group, count: Callable[[], bool], input: Tensor) -> Tensor:
    if not norm.training:
        return type(norm).forward(norm, input)
    counts = count()
    # Several batches may go through one of ours as parts of one: each has its own statistics.
    parts = input.chunk(getattr(norm, "parts", 1))
    return torch.cat([_normalised(norm, group, counts, part) for part in parts])


def _normalised(norm: _BatchNorm, group: Group, counts: bool, input: Tensor) -> Tensor:
    norm._check_input_dim(input)
    weight, bias = norm.weight, norm.bias
    if weight is None:
        weight, bias = input.new_ones(input.shape[1]), input.new_zeros(input.shape[1])
    output, mean, var, count = _Synchronised.apply(input, weight, bias, norm.eps, group, counts)
    if norm.track_running_stats:
        _track(norm, mean, var * count / (count - 1).clamp(min=1))
    return output


@torch.no_grad()
def _track(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics towards these, as torch's batch norm does."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    if isinstance(norm, BatchNorm2d) and norm.calls is not None:
        norm.calls += 1  # added to the tensor once a step
    else:
        norm.num_batches_tracked += 1
    momentum: float | Tensor = (
        norm.momentum
        if norm.momentum is not None
        else (1 / norm.num_batches_tracked.to(mean.dtype))
    )
    norm.running_mean += momentum * (mean - norm.running_mean)
    norm.running_var += momentum * (variance - norm.running_var)


class _Synchronised(torch.autograd.Function):
    """Ioffe and Szegedy, "Batch Normalization", ICML 2015, with sums over all ranks."""

    @staticmethod
    def forward(
        context: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        group: Group,
        counts: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exact = _exact(input)
        own = exact.transpose(0, 1).flatten(1)  # (C, n)
        variance, mean = torch.var_mean(own, 1, correction=0)
        size = float(own.shape[1]) if counts else 0.0
        # (ranks, C, 3): counts, means and variances, joined as Chan et al. 1979 do.
        rows = group.gather_tensors(torch.stack([torch.full_like(mean, size), mean, variance], 1))
        sizes, means, variances = rows.unbind(2)
        count = sizes.sum(0)
        mean = (sizes * means).sum(0) / count
        variance = (sizes * (variances + (means - mean) ** 2)).sum(0) / count
        scale = (variance + eps).rsqrt()
        normed = (exact - _wide(mean, input)) * _wide(scale, input)
        context.save_for_backward(normed, weight, scale, count)
        context.group, context.counts, context.dtype = group, counts, input.dtype
        context.mark_non_differentiable(mean, variance, count)
        output = normed * _wide(_exact(weight), input) + _wide(_exact(bias), input)
        return output.to(input.dtype), mean, variance, count

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise ImtransError(
                "train.sync_batch_norm has no second derivative, which a penalty on gradients "
                "(method.r1) needs: leave one of them out, or set discriminator.norm = 'instance'"
            )
        normed, weight, scale, count = context.saved_tensors
        gradient = _exact(gradients[0])
        axes = [axis for axis in range(gradient.dim()) if axis != 1]
        sums = torch.stack([gradient.sum(axes), (gradient * normed).sum(axes)])
        of_weight, of_bias = sums[1].clone(), sums[0].clone()  # averaged with the other gradients
        context.group.add_up(sums)
        if context.counts:  # what it has seen moved the statistics
            mean, along = (_wide(one / count, gradient) for one in sums)
            gradient = gradient - mean - normed * along
        found = gradient * _wide(_exact(weight) * scale, gradient)
        return found.to(context.dtype), of_weight, of_bias, None, None, None


def _exact(values: Tensor) -> Tensor:
    """Statistics of few bits would shift a whole channel: at least fp32."""
    return values.float() if values.dtype.itemsize < 4 else values


def _wide(channels: Tensor, like: Tensor) -> Tensor:
    """(C) as (1, C, 1, ...)."""
    return channels.view(1, -1, *[1] * (like.dim() - 2))
