"""m5, m6: what is bound by memory, as it is and fused by the compiler."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pairs import recipe_of
from timing import spreads, timer_of
from torch import Tensor
from torch.nn.functional import batch_norm, leaky_relu
from work import Work

from imtrans.api.layers import LEAK
from imtrans.recipe.catalog import catalog
from imtrans.task import Task

Rows = list[dict[str, Any]]
RATE, BETAS, EPS = 2e-4, (0.5, 0.999), 1e-8
BYTES = 28  # that an update reads and writes for each parameter, in each of the ways
MAPS = ((64, 128), (128, 64), (256, 32), (512, 16))  # channels and px of the generator's norms


def adam(work: Work) -> Rows:
    """An update of all parameters of the generator: ms, and TB/s of what must be moved."""
    network = Task(recipe_of(work), catalog()).method(work.device).networks()["generator"]
    weights = [parameter.detach() for parameter in network.parameters()]
    count = sum(weight.numel() for weight in weights)
    ways: dict[str, Callable[[], object]] = {
        "fused kernel, list": _fused(weights),
        "fused kernel, one flat tensor": _fused([torch.cat([w.flatten() for w in weights])]),
        "compiled, list": _compiled(work, weights, low=False),
        "compiled, bf16 gradients and bf16 copies": _compiled(work, weights, low=True),
    }
    rows: Rows = []
    for name, took in spreads(timer_of(work, repeats=5), ways).items():
        if isinstance(took, str):
            rows.append({"way": name, "ms": took})
        else:
            rate = BYTES * count / took.median / 1e6
            rows.append({"way": name, "ms": took.scaled(1e-3), "TB/s": rate})
    return rows


def _fused(weights: list[Tensor]) -> Callable[[], object]:
    parameters = [torch.nn.Parameter(weight.clone()) for weight in weights]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    on_gpu = parameters[0].is_cuda
    return torch.optim.Adam(parameters, lr=RATE, betas=BETAS, fused=True, capturable=on_gpu).step


def _compiled(work: Work, weights: list[Tensor], *, low: bool) -> Callable[[], object]:
    values = [weight.clone() for weight in weights]
    gradients = [torch.randn_like(value) for value in values]
    shadows = [value.bfloat16() for value in values] if low else []
    if low:
        gradients = [gradient.bfloat16() for gradient in gradients]
    moments = [[torch.zeros_like(value) for value in values] for _ in range(2)]
    update = _update if work.smoke else torch.compile(_update)
    return partial(update, values, gradients, *moments, shadows)


def _update(
    values: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    shadows: list[Tensor],
) -> None:
    """Adam without the correction of the first steps, which costs nothing."""
    gradients = [gradient.float() for gradient in gradients]
    torch._foreach_lerp_(means, gradients, 1 - BETAS[0])
    torch._foreach_mul_(squares, BETAS[1])
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - BETAS[1])
    roots = torch._foreach_add(torch._foreach_sqrt(squares), EPS)
    torch._foreach_addcdiv_(values, means, roots, -RATE)
    for shadow, value in zip(shadows, values, strict=False):
        shadow.copy_(value)


def norms(work: Work) -> Rows:
    """Batch norm and its activation in bf16, forward and forward with backward: us."""
    rows = []
    for channels, size in MAPS[-1:] if work.smoke else MAPS:
        for name, memory_format, strided in (
            ("NHWC", torch.channels_last, False),
            ("NHWC, gradient out of a larger one", torch.channels_last, True),
            ("NCHW", torch.contiguous_format, False),
        ):
            shape = (1, channels, size, size)
            given = _map(work, shape, memory_format).requires_grad_()
            gradient = _map(work, (1, 2 * channels, size, size), memory_format)[:, :channels]
            if not strided:
                gradient = gradient.contiguous(memory_format=memory_format)
            about = {"channels": channels, "px": size, "format": name}
            found = spreads(timer_of(work), _ways(work, given, gradient))
            rows += [{**about, "way": way, "us": took} for way, took in found.items()]
    return rows


def _ways(work: Work, given: Tensor, gradient: Tensor) -> dict[str, Callable[[], object]]:
    scale, shift = (
        torch.ones(given.shape[1], device=work.device, requires_grad=True) for _ in range(2)
    )
    mean, deviation = (torch.zeros(given.shape[1], device=work.device) for _ in range(2))

    def norm(values: Tensor) -> Tensor:
        return batch_norm(values, mean, deviation, scale, shift, training=True)

    def activated(values: Tensor) -> Tensor:
        return leaky_relu(norm(values), LEAK)

    def with_backward(function: Callable[[Tensor], Tensor]) -> object:
        return torch.autograd.grad(function(given), (given, scale, shift), gradient)

    ways: dict[str, Callable[[], object]] = {
        "forward": partial(norm, given),
        "and backward": partial(with_backward, norm),
        "with leaky ReLU, and backward": partial(with_backward, activated),
    }
    if not work.smoke:
        torch.compiler.reset()  # else of dynamic shapes, and in the end not compiled at all
        compiled = torch.compile(activated, dynamic=False)
        ways["the same, compiled"] = partial(with_backward, compiled)
    return ways


def _map(work: Work, shape: tuple[int, ...], memory_format: Any) -> Tensor:
    values = torch.randn(*shape, device=work.device, dtype=torch.bfloat16)
    return values.to(memory_format=memory_format)
