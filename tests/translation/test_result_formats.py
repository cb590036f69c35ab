"""Every format, depth and number of channels: the result that was asked for, or one line."""

import numpy as np
import pytest
import torch
from PIL import Image
from translated_trees import Inverting, counting, into

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import FileFormat, encode
from imtrans.data.pixels.formats.stored import PixelSpec

FORMATS = ("png", "jpg", "webp", "tif", "bmp", "npy")
SIDES = {
    "grey": {"channels": 1},
    "RGB": {},
    "RGB of 16 bits": {"dtype": "uint16"},
    "grey of 16 bits": {"dtype": "uint16", "channels": 1},
    "floats": {"dtype": "float32", "channels": 1, "range": [0.0, 1.0]},
    "five bands": {"dtype": "uint16", "channels": 5},
    "labels": {"classes": [[0, 0, 0], [255, 0, 0], [0, 0, 255]], "resample": "nearest"},
}
REFUSED = {
    "grey": set(),
    "RGB": set(),
    "RGB of 16 bits": {"jpg", "webp", "bmp"},
    "grey of 16 bits": {"jpg", "webp", "bmp"},
    "floats": {"png", "jpg", "webp", "bmp"},
    "five bands": {"png", "jpg", "webp", "bmp"},
    "labels": {"jpg"},
}


class Same(Inverting):
    def forward(self, source):
        return -super().forward(source)


def drawn(side):
    """Pixels (C, H, W) that such a side can have."""
    random = np.random.default_rng(3)
    channels, dtype = side.get("channels", 3), side.get("dtype", "uint8")
    if "classes" in side:
        colours = torch.tensor(side["classes"], dtype=torch.uint8)
        return colours[torch.from_numpy(random.integers(0, 3, (30, 40)))].movedim(-1, 0)
    if dtype == "float32":
        return torch.from_numpy(random.random((channels, 30, 40), dtype=np.float32))
    smooth = np.linspace(0, 1, 40)[None, None] * np.linspace(0, 1, 30)[None, :, None]
    values = smooth.repeat(channels, 0) * (65535 if dtype == "uint16" else 255)
    return torch.from_numpy(values.round()).to(torch.int32 if dtype == "uint16" else torch.uint8)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("written", [*FORMATS, None])
def test_a_result_is_exact_or_as_good_as_asked_for_or_refused(tmp_path, name, written):
    side = SIDES[name]
    pixels, dtype = drawn(side), side.get("dtype", "uint8")
    given = "tif" if dtype != "uint8" or len(pixels) > 4 else "png"
    encode(pixels, tmp_path / "in" / f"a.{given}", dtype)
    using = counting(Same(), source=side, target=side)
    file_format = FileFormat(f".{written}" if written else None)
    if written in REFUSED[name]:
        with pytest.raises(ImtransError, match=rf"\.{written} (cannot hold \d|blurs the)"):
            into(using, tmp_path / "in", tmp_path / "out", file_format=file_format)
        assert not (tmp_path / "out").exists()
        return
    outcome = into(using, tmp_path / "in", tmp_path / "out", file_format=file_format)
    assert (outcome.done, outcome.broken) == (1, [])
    (path,) = (path for path in (tmp_path / "out").iterdir() if path.suffix and path.stem[0] != ".")
    assert path.name == f"a.{written or given}"
    spec = PixelSpec(len(pixels), dtype)
    found = decode(Picture(str(path)), spec)
    difference = (found.double() - pixels.double()).abs()
    if written == "jpg":
        assert difference.mean() < 2
    elif dtype == "float32":
        assert difference.max() < 1e-6
    else:
        assert difference.max() == 0


@pytest.fixture
def model(finished_run, tmp_path):
    finished_run(tmp_path / "runs" / "tiny")
    (tmp_path / "in").mkdir()
    for suffix in ("png", "jpg", "webp", "bmp", "tif"):
        Image.new("RGB", (64, 64), (9, 99, 199)).save(tmp_path / "in" / f"{suffix}.{suffix}")
    return ("translate", "--recipe", "tiny", "--size", "native")


@pytest.mark.parametrize("written", FORMATS)
def test_the_command_writes_each_format(imtrans, model, tmp_path, written):
    code, _, err = imtrans(*model, "in", "--output", "out", "--format", written)
    assert (code, err) == (0, "")
    names = {path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."}
    assert names == {f"{kind}.{written}" for kind in ("png", "jpg", "webp", "bmp", "tif")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--quality", 90), "--quality is that of JPEG and WebP; add --format jpg, or webp"),
        (("--quality", 90, "--format", "png"), "--quality is that of JPEG and WebP"),
        (("--format", "gif"), "'gif' is not one of 'png', 'jpg', 'webp', 'tif', 'bmp', 'npy'"),
        (("--format", "jpg", "--quality", 0), "should be greater than or equal to 1"),
    ],
)
def test_a_format_that_is_none_is_refused(imtrans, model, tmp_path, options, said):
    code, _, err = imtrans(*model, "in", "--output", "out", *options)
    assert code == 2
    assert said in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_one_image_in_a_format_that_was_asked_for(imtrans, model, tmp_path):
    code, out, err = imtrans(*model, "in/png.png", "--format", "jpg", "--quality", 50)
    assert (code, out, err) == (0, "in/png-tiny.jpg\n", "")
    code, _, err = imtrans(*model, "in/png.png", "--output", "o.jpg")
    assert (code, err.count("\n")) == (2, 1)
    assert "o.jpg: .jpg would lose something of the result. use --output o.png, or --format" in err
    assert imtrans(*model, "in/png.png", "--output", "o.jpg", "--format", "jpg")[0] == 0
