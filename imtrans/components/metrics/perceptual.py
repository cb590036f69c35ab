"""How far apart two images seem to people, by what a network sees in them.

Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018.
"""

import warnings

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.extras import imported
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.metric import ImageMetric
from imtrans.api.weights import read_weights, weights_file

URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
SHA256 = "7be5be79"  # its first digits, as torch names its files
SMALLEST = 31  # px: of smaller images the poolings of AlexNet leave nothing


@hookimpl
def register_metrics(register: Register) -> None:
    register("lpips", LPIPS)


class LPIPS(ImageMetric):
    """Learned perceptual image patch similarity: a distance (0 where images are equal).

    Zhang et al. 2018, version 0.1, by AlexNet: as the package lpips computes it, whose linear
    weights it has; those of AlexNet are a file. Images with a side below 31 px have none.

    `weights`: a path, or "download" or an address to fetch them once.
    """

    higher_is_better = False
    of_pictures = True

    def __init__(self, *, weights: str | None = None) -> None:
        super().__init__()
        self._network = _network(weights)

    def rows(self, output: Tensor, target: Tensor) -> Tensor | None:
        if min(target.shape[-2:]) < SMALLEST:
            return None
        network = self._network.to(output.device)
        with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
            found: Tensor = network(output.clamp(-1, 1), target.clamp(-1, 1))
        return found.flatten(1)


def _network(weights: str | None) -> nn.Module:
    """The package's network; it would download AlexNet's weights unasked."""
    library = imported("lpips", extra="metrics")
    path = weights_file(weights, name="AlexNet", url=URL, sha256=SHA256)
    tensors = read_weights(path, "AlexNet")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the names that it has for torchvision's options
        network: nn.Module = library.LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = network.net
    assert isinstance(layers, nn.Module)
    # slice1.0.weight here is features.0.weight there.
    names = {name: f"features.{name.partition('.')[2]}" for name in layers.state_dict()}
    try:
        layers.load_state_dict({name: tensors[there] for name, there in names.items()})
    except (KeyError, RuntimeError) as error:
        raise ImtransError(f"'{path}': these are not the weights of AlexNet") from error
    return network.eval().requires_grad_(False)
