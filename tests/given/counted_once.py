"""What networks take in memory, counted once for all that are built alike."""

from collections.abc import Callable

from torch import nn

Count = Callable[[nn.Module, int], float | None]


def counted_once(count: Count) -> Count:
    """`count`, which for two networks of the core of the same layers is called once; others, of
    tests and plugins, may do anything."""
    known: dict[object, float | None] = {}

    def counted(module: nn.Module, channels: int) -> float | None:
        if not type(module).__module__.startswith("imtrans.components."):
            return count(module, channels)
        shapes = tuple((name, x.shape, x.dtype) for name, x in module.state_dict().items())
        key = (str(module), shapes, module.training, channels)
        if key not in known:
            known[key] = count(module, channels)
        return known[key]

    return counted
