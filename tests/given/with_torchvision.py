"""Fixtures for a process of its own, in which torch-fidelity and lpips can be imported.

`make soak` puts them and torchvision into build/metrics. They are not installed beside the rest:
torchvision from PyPI does not fit a torch without CUDA, and torchmetrics imports whatever of them
is there. It lacks two operators, which no network here needs, and is given their names.
"""

import sys
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from metrics_built import OPTIONS

PACKAGES = Path(__file__).parents[2] / "build" / "metrics"


def _import_torchvision():
    sys.path.append(str(PACKAGES))  # at the end: what is installed goes before
    with suppress(RuntimeError):
        import torchvision
    if "torchvision" in sys.modules:
        return
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    torchvision.operators = library  # which end with it


_import_torchvision()


@pytest.fixture(scope="session", autouse=True)
def random_weights(tmp_path_factory):
    """Files of weights for Inception and AlexNet, which the metrics of the catalog are given."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(_inception(), folder / "inception.pth")
    torch.save(_alexnet(), folder / "alexnet.pth")
    files = {"fid": "inception", "kid": "inception", "lpips": "alexnet"}
    OPTIONS.update({name: {"weights": str(folder / f"{x}.pth")} for name, x in files.items()})
    return folder


def _inception():
    from torch_fidelity import feature_extractor_inceptionv3 as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):  # so that what differs is still seen at the end
            torch.nn.init.kaiming_normal_(layer.weight)
    return network.state_dict()


def _alexnet():
    from torchvision.models import alexnet

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = alexnet(weights=None).state_dict()
    return {name: tensor for name, tensor in layers.items() if name.startswith("features.")}
