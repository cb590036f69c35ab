"""What the tests of this plugin share: weights, a recipe that trains in a moment, the commands."""

import sys

import pytest
import torch
from drawn import write_pairs
from safetensors.torch import save_file
from vgg_files import VGG16, random_weights

TINY = """
requires = ["imtrans-perceptual"]

[data]
root      = "{root}"
load_size = 36
crop_size = 32
workers   = 0

[generator]
name    = "resnet_6"
width   = 2
dropout = 0.0

[discriminator]
name  = "patch_16"
width = 2

[adversarial]
name = "lsgan"

[[loss]]
name    = "vgg16"
weights = "{weights}"
weight  = 10.0

[train]
epochs           = 2
precision        = "fp32"
engine           = "plain"
checkpoint_every = 2
keep_last        = 9
"""


@pytest.fixture(autouse=True)
def own_weights_folder(tmp_path, monkeypatch):
    """What is downloaded goes where the test's other files are."""
    monkeypatch.setenv("IMTRANS_CACHE", str(tmp_path / "caches"))


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of the first four layers, which VGG16 and VGG19 have alike; as .pth beside it."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(random_weights(VGG16[:4]), folder / "vgg.safetensors")
    torch.save(random_weights(VGG16[:4]), folder / "vgg.pth")
    return folder / "vgg.safetensors"


@pytest.fixture
def tiny_file(tmp_path, weights):
    """A recipe with three pairs to train on and one for validation."""
    root, path = tmp_path / "pairs", tmp_path / "tiny.toml"
    write_pairs(root / "train", 3)
    write_pairs(root / "val", 1)
    path.write_text(TINY.format(root=root.as_posix(), weights=weights.as_posix()))
    return path


@pytest.fixture
def imtrans(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty working folder; returns (exit code, stdout, stderr)."""
    from imtrans.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["imtrans", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
