"""How large a picture may be, from what a network takes for each of its pixels."""

import copy
import math
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from imtrans.data.pixels.formats.stored import LARGEST_TILE
from imtrans.host.devices import free_memory

PROBE = 256  # px; a side of what is counted with, or more where the stride asks for it
# A convolution may copy its input into another layout, and allocators keep more than was asked for.
SPARE = 1.5
# What was found for a network, by the number of its channels.
_counted: weakref.WeakKeyDictionary[nn.Module, dict[int, float | None]]
_counted = weakref.WeakKeyDictionary()
READING = 64  # bytes a pixel: the decoder's copy, ours, and floats of four channels


def most_pixels(
    module: nn.Module, channels: int, device: torch.device, share: float = 1.0
) -> int | None:
    """The largest picture that fits into what is free; None where that is unknown.

    `module` takes (1, channels, H, W), its sides multiples of its `stride`. `share`: how many
    pixels it takes for each of the picture, which is resized.
    """
    free = [free_memory(device), free_memory(torch.device("cpu"))]
    taken = bytes_per_pixel(module, channels)
    if None in free or taken is None:
        return None
    network, reading = (float(bytes_ or 0) for bytes_ in free)
    if device.type == "cpu":
        return int(reading / (SPARE * taken * share + READING))
    return int(min(network / (SPARE * taken * share), reading / READING))


def most_read() -> int | None:
    """The largest picture that can be read and written, whatever a network takes for its tiles."""
    free = free_memory(torch.device("cpu"))
    return None if free is None else free // READING


def tile_that_fits(module: nn.Module, channels: int, device: torch.device) -> int | None:
    """The side in px of the largest tile that fits into what is free, a multiple of the network's
    stride, and no larger than is of use; 0 where none fits. None where that is unknown."""
    most = most_pixels(module, channels, device)
    if most is None:
        return None
    stride = int(module.stride)  # type: ignore[arg-type]
    return min(math.isqrt(most), max(LARGEST_TILE, stride)) // stride * stride


def tile_option(module: nn.Module, channels: int, device: torch.device) -> str:
    """The option of `imtrans translate` with tiles that fit."""
    side = tile_that_fits(module, channels, device)
    return f"--tile {side}" if side else "a smaller --tile"


def bytes_per_pixel(module: nn.Module, channels: int) -> float | None:
    """What a network has in memory at its peak for each pixel of its input, in fp32, beside its
    weights. Nothing is computed. None for a network that cannot do without numbers."""
    known = _counted.setdefault(module, {})
    if channels not in known:
        known[channels] = _count(module, channels)
    return known[channels]


def _count(module: nn.Module, channels: int) -> float | None:
    stride = int(module.stride)  # type: ignore[arg-type]
    side = -(-PROBE // stride) * stride
    image = torch.empty(1, channels, side, side, device="meta")
    alive = Alive()
    try:
        # Of a copy: another thread may translate meanwhile.
        shapes = {id(value): _shape(value) for value in (*module.parameters(), *module.buffers())}
        without_numbers = copy.deepcopy(module, shapes)
        with torch.inference_mode(), alive:
            without_numbers(image)
    except Exception:  # whatever a plugin's network does with numbers that are not there
        return None
    return alive.peak / side**2 + 4 * channels


def _shape(value: Tensor) -> Tensor:
    """A tensor like it, or a weight, that has no numbers."""
    # Weights may be in bf16 already; of images without autocast those would be refused.
    dtype = torch.float32 if value.is_floating_point() else value.dtype
    shape = torch.empty_like(value, device="meta", dtype=dtype)
    return nn.Parameter(shape, value.requires_grad) if isinstance(value, nn.Parameter) else shape


class Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that were made within and are still referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return  # a view of another
        self._known.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
