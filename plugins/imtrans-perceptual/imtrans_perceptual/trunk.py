"""The convolutional part of a VGG network, as far as it is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.api.weights import read_weights

WIDTHS = (64, 128, 256, 512, 512)  # channels of each block


class Trunk(nn.Module):
    """3x3 convolutions in blocks, each followed by a ReLU; 2x2 max poolings between the blocks.

    Maps normalised images (N, 3, H, W) to the features of `layers`, in their order: (N, C, h, w)
    with h and w halved by each pooling before the layer. `blocks` is how many convolutions each
    block has. Built are those up to the last layer, with the names of torchvision's; until `load`
    they have no values. Raises ValueError for an unknown layer.
    """

    def __init__(self, blocks: Sequence[int], layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        plan = [(block, place) for block, count in enumerate(blocks) for place in range(count)]
        names = [f"{kind}{b + 1}_{c + 1}" for b, c in plan for kind in ("conv", "relu")]
        _check_names(self.layers, names)
        last = max(names.index(layer) for layer in self.layers) // 2
        self._plan = plan[: last + 1]
        # Torchvision counts convolutions, ReLUs and poolings alike.
        self._indices = [2 * at + block for at, (block, _) in enumerate(plan)]
        self.features = nn.ModuleDict()
        channels = 3
        for index, (block, _) in zip(self._indices, self._plan, strict=False):
            # On no device, as no random numbers are to be drawn: those of the networks come from
            # the same generator.
            conv = nn.Conv2d(channels, WIDTHS[block], 3, padding=1, device="meta")
            self.features[str(index)] = conv
            channels = WIDTHS[block]

    def forward(self, image: Tensor) -> list[Tensor]:
        found: dict[str, Tensor] = {}
        x = image
        for (block, place), conv in zip(self._plan, self.features.values(), strict=True):
            if block and not place:
                x = max_pool2d(x, 2)
            for kind, layer in (("conv", conv), ("relu", relu)):
                x = layer(x)
                name = f"{kind}{block + 1}_{place + 1}"
                if name in self.layers:  # others are free to go
                    found[name] = x
        return [found[layer] for layer in self.layers]

    def smallest_side(self, layer: str) -> int:
        """Of images that have a pixel left at a layer, in px."""
        return int(2 ** (int(layer[4]) - 1))

    def load(self, path: Path, network: str) -> None:
        """Take the weights from a file. Raises ImtransError where they are not of this network."""
        tensors = read_weights(path, network)
        own = {f"features.{index}" for index in self._indices}
        kernels = {name.removesuffix(".weight") for name in tensors if _is_kernel(name)}
        if others := sorted(kernels - own):
            raise _not_of(path, network, f"{network} has no layer '{others[0]}'")
        needed = self.state_dict()
        state = {name: _taken(tensors, name, x, path, network) for name, x in needed.items()}
        self.load_state_dict(state, assign=True)
        self.requires_grad_(False)


def _check_names(layers: Sequence[str], known: Sequence[str]) -> None:
    for layer in layers:
        if layer not in known:
            near = did_you_mean(layer, known)
            raise ValueError(f"layers: no layer '{layer}'{near or '; known are ' + quoted(known)}")
    if len(set(layers)) < len(layers):
        raise ValueError("layers: a layer appears more than once")


def _is_kernel(name: str) -> bool:
    return name.startswith("features.") and name.endswith(".weight")


def _taken(
    tensors: Mapping[str, Tensor], name: str, own: Tensor, path: Path, network: str
) -> Tensor:
    found = tensors.get(name)
    if found is None:
        raise _not_of(path, network, f"the file has no '{name}'")
    if found.shape != own.shape or not found.is_floating_point():
        raise _not_of(path, network, f"'{name}' is {tuple(found.shape)} and not {tuple(own.shape)}")
    if not torch.isfinite(found).all():
        raise _not_of(path, network, f"'{name}' has values that are not finite")
    return found.float()


def _not_of(path: Path, network: str, why: str) -> ImtransError:
    return ImtransError(f"'{path}': these are not the weights of {network}: {why}")
