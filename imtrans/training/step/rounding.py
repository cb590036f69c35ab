"""What rounding to bf16 does to a gradient, computed by the reference engine's own algorithms.

Autocast decides what is rounded: inside it, most tensors of a network are bf16, forward and
backward. `Rounded` keeps all of that and exchanges only the arithmetic: each operation on bf16
tensors is computed on fp32 copies, and its result rounded as often as autocast would round it. So
no bf16 kernel, which may be wrong or slow, takes part, and nothing has to be known about a network:
attention, matrix products and functional convolutions of a plugin are rounded like its layers.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from imtrans.api.errors import is_out_of_memory

LOW, HALF = torch.bfloat16, 16  # a bf16 number is the upper half of an fp32 one's bits
CAST = torch.ops.aten._to_copy.default


class Rounded(TorchDispatchMode):
    """A context for the forward and backward pass of plain networks (NCHW) under bf16 autocast.

    `draw` 0 rounds to the nearest, as hardware does. Every other whole number is another way to
    round up or down, on average right: a sample of what rounding of this size may do. No random
    state is used.
    """

    def __init__(self, draw: int = 0) -> None:
        super().__init__()
        self.draw = draw

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is CAST:
            if kwargs.get("dtype") is LOW and args[0].dtype is torch.float32:
                return rounded(args[0], self.draw)
            return func(*args, **kwargs)
        # Views and what works in place compute nothing that could be computed otherwise.
        if func.is_view or func._schema.is_mutable or not any(map(_low, tree_leaves(args))):
            return func(*args, **kwargs)
        try:
            expected = func(*tree_map(_shape, args), **tree_map(_shape, kwargs))
            results = func(*tree_map(_exact, args), **tree_map(_exact, kwargs))
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            return func(*args, **kwargs)  # a kernel for bf16 alone, such as flash attention
        return tree_map(self._in_dtype_of, results, expected)

    def _in_dtype_of(self, result: Any, expected: Any) -> Any:
        return rounded(result, self.draw) if _low(expected) and not _low(result) else result


def rounded(values: Tensor, draw: int) -> Tensor:
    """fp32 as bf16, to the nearest (`draw` 0) or up or down in proportion to the distance."""
    if draw == 0:
        return values.to(LOW)
    bits = values.view(torch.int32)
    # Instead of a random number: the bits multiplied by a large odd one, which is quick anywhere.
    factor = (0x9E3779B1 * (2 * draw + 1)) % 2**31 | 1
    noise = (bits * factor).bitwise_right_shift_(HALF).bitwise_and_(2**HALF - 1)
    return noise.add_(bits).bitwise_and_(-(2**HALF)).view(torch.float32).to(LOW)


def _low(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype is LOW


def _exact(value: Any) -> Any:
    return value.float() if _low(value) else value


def _shape(value: Any) -> Any:
    """Without its numbers: what an operation makes of it shows the types of its results."""
    return value.to("meta") if isinstance(value, Tensor) else value
