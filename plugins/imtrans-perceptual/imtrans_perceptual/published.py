"""Where the weights of a VGG network are: torchvision's published ones, or a file of the user."""

from pathlib import Path
from typing import NamedTuple

from imtrans.api.weights import own_weights_file, weights_file


class Published(NamedTuple):
    """A file that torchvision has published."""

    name: str
    url: str
    sha256: str  # its first digits, which torchvision gives in its name


def vgg_file(weights: str | None, sha256: str | None, published: Published) -> Path:
    """The file that a recipe means. Raises ImtransError, of one line, where it is not here or is
    another one."""
    if sha256 is not None:
        return own_weights_file(weights, name=published.name, sha256=sha256.lower())
    return weights_file(weights, name=published.name, url=published.url, sha256=published.sha256)
