"""Perceptual losses: how far apart two images are in what a VGG network sees in them.

Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
ECCV 2016. Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional
GANs", CVPR 2018. The networks: Simonyan and Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", ICLR 2015.
"""

from typing import Annotated

from pydantic import Field

from imtrans.api.hookspecs import Register, hookimpl
from imtrans_perceptual.loss import Distance, Perceptual
from imtrans_perceptual.published import Published, vgg_file
from imtrans_perceptual.trunk import Trunk

VGG16 = Published("VGG16", "https://download.pytorch.org/models/vgg16-397923af.pth", "397923af")
VGG19 = Published("VGG19", "https://download.pytorch.org/models/vgg19-dcbd9e9d.pth", "dcbd9e9d")
OF_VGG16 = (2, 2, 3, 3, 3)  # convolutions in each block
OF_VGG19 = (2, 2, 4, 4, 4)

Sha256 = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")]
Layers = Annotated[tuple[str, ...], Field(min_length=1)]

IMTRANS_API = 1  # the version of the plugin API that this was written for


@hookimpl
def register_losses(register: Register) -> None:
    register("vgg16", vgg16)
    register("vgg19", vgg19)


def vgg16(
    *,
    weights: str | None = None,
    sha256: Sha256 | None = None,
    layers: Layers = ("relu2_2",),
    layer_weights: tuple[float, ...] = (1.0,),
    distance: Distance = "l2",
) -> Perceptual:
    """The feature reconstruction loss of Johnson et al. 2016: the mean squared distance between
    what VGG16 sees in output and target (0 where they are equal).

    `layers` are `relu1_1` to `relu5_3`, or `conv1_1` to `conv5_3` for what is before the ReLU. The
    loss is the sum over them of `layer_weights` times the mean distance, `l1` or `l2`. Images are
    RGB or grey. The weights are trained on ImageNet and a file of their own. `weights`: its path,
    .safetensors or torchvision's .pth; "download" fetches torchvision's once; or an address, with
    its `sha256` unless it has torchvision's file.
    """
    trunk = Trunk(OF_VGG16, layers)
    _check_layer_weights(layers, layer_weights)
    trunk.load(vgg_file(weights, sha256, VGG16), "VGG16")
    return Perceptual("vgg16", trunk, layer_weights, distance)


def vgg19(
    *,
    weights: str | None = None,
    sha256: Sha256 | None = None,
    layers: Layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    layer_weights: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0),
    distance: Distance = "l1",
) -> Perceptual:
    """The perceptual loss of Wang et al. 2018 (pix2pixHD): the mean absolute distance between what
    VGG19 sees in output and target (0 where they are equal).

    `layers` are `relu1_1` to `relu5_4`, or `conv1_1` to `conv5_4` for what is before the ReLU. The
    loss is the sum over them of `layer_weights` times the mean distance, `l1` or `l2`. Images are
    RGB or grey. The weights are trained on ImageNet and a file of their own. `weights`: its path,
    .safetensors or torchvision's .pth; "download" fetches torchvision's once; or an address, with
    its `sha256` unless it has torchvision's file.
    """
    trunk = Trunk(OF_VGG19, layers)
    _check_layer_weights(layers, layer_weights)
    trunk.load(vgg_file(weights, sha256, VGG19), "VGG19")
    return Perceptual("vgg19", trunk, layer_weights, distance)


def _check_layer_weights(layers: tuple[str, ...], weights: tuple[float, ...]) -> None:
    if len(layers) != len(weights):
        raise ValueError(
            f"layers has {len(layers)} names and layer_weights {len(weights)} numbers; give one "
            "number for each layer"
        )
    if not all(weight > 0 for weight in weights):
        raise ValueError("layer_weights: each has to be greater than 0")
