"""What the tests of this plugin share: a recipe that trains in a moment, on unpaired images."""

import sys

import pytest
import torch
from PIL import Image

TINY = """
requires = ["imtrans-cyclegan"]

[data]
root      = "{root}"
layout    = "unpaired"
load_size = 36
crop_size = 32
workers   = 0

[method]
name      = "cyclegan"
pool_size = 3

[generator]
name    = "resnet_6"
width   = 2
norm    = "instance"
dropout = 0.0

[discriminator]
name  = "patch_16"
width = 2
norm  = "instance"

[adversarial]
name = "lsgan"

[train]
epochs           = 2
precision        = "fp32"
log_every        = 2
sample_every     = 5
checkpoint_every = 4
keep_last        = 9
"""


def draw(folder, count, hue):
    """Images of noise in the tint of their side."""
    folder.mkdir(parents=True)
    torch.manual_seed(hue)
    for number in range(count):
        pixels = torch.randint(256, (3, 6, 5), dtype=torch.uint8)
        pixels[hue] //= 2
        image = Image.fromarray(pixels.permute(1, 2, 0).numpy(), "RGB")
        image.resize((45, 40)).save(folder / f"{number}.png")


@pytest.fixture
def tiny_file(tmp_path, monkeypatch):
    """Six images of one side and five of the other, to train on; two of each for validation."""
    monkeypatch.setenv("IMTRANS_CACHE", str(tmp_path / "caches"))
    root = tmp_path / "images"
    for name, count, hue in (("trainA", 6, 0), ("trainB", 5, 2), ("testA", 2, 0), ("testB", 2, 2)):
        draw(root / name, count, hue)
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.format(root=root.as_posix()))
    return path


@pytest.fixture
def imtrans(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty working folder; returns (exit code, stdout, stderr)."""
    from imtrans.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

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
