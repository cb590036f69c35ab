"""One bad input costs itself only: what is too large, a link to itself, two at once."""

import sys
import threading

import numpy as np
import pytest
import torch
from drawn import draw_picture
from PIL import Image
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Direct
from imtrans.data.pixels import images
from imtrans.data.pixels.formats.stored import LARGE
from imtrans.host.locks import locked
from imtrans.recipe.schema import DataTable
from imtrans.translation.folder import translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.network import memory
from imtrans.translation.network.memory import bytes_per_pixel, most_pixels
from imtrans.translation.network.noise import Noise, with_seeded_dropout
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")


class Same(nn.Module):
    stride = 1

    def forward(self, source):
        return source


class Hungry(Same):
    """Has no memory for what is wider than 50 px."""

    def forward(self, source):
        if source.shape[-1] > 50:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")
        return source


def translated(module, inputs, output):
    translator = Translator(module, Direct(DataTable(root="x")), device=CPU)
    jobs = plan(inputs, output, translator.encoding)
    return translate_files(translator, jobs, output, lambda: None)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name, size in (("a.png", (40, 40)), ("b.png", (60, 40)), ("c.png", (40, 60))):
        draw_picture(1, size).save(tmp_path / "in" / name)
    return tmp_path / "in"


def names(output):
    return sorted(path.name for path in output.glob("*.png"))


def test_where_memory_runs_out_the_image_is_named_and_the_others_are_done(folder, tmp_path):
    outcome = translated(Hungry(), folder, tmp_path / "out")
    (line,) = outcome.broken
    assert line.startswith(f"{folder / 'b.png'}: not enough memory for 60 x 40 px")
    assert (outcome.done, names(tmp_path / "out")) == (2, ["a.png", "c.png"])


def test_what_would_not_fit_is_refused_before_it_is_decoded(folder, tmp_path, monkeypatch):
    Image.new("L", (4096, 1025)).save(folder / "b.png")
    monkeypatch.setattr(memory, "free_memory", lambda device: 300_000_000)
    monkeypatch.setattr(images, "to_tensor", None)
    outcome = translated(Same(), folder, tmp_path / "out")
    (line,) = outcome.broken
    assert "4096 x 1025 px do not fit into memory; about " in line
    assert names(tmp_path / "out") == ["a.png", "c.png"]
    monkeypatch.setattr(memory, "free_memory", lambda device: None)  # unknown: it is tried
    assert translated(Same(), folder, tmp_path / "out").broken == []


def test_a_thin_picture_is_as_large_as_the_network_sees_it(folder, tmp_path, monkeypatch):
    class Wide(Same):
        stride = 256

    Image.new("L", (40_000, 1)).save(folder / "b.png")
    monkeypatch.setattr(memory, "free_memory", lambda device: 30_000_000)
    monkeypatch.setattr(images, "to_tensor", None)
    outcome = translated(Wide(), folder, tmp_path / "out")
    (line,) = outcome.broken
    assert "40000 x 1 px do not fit into memory" in line


def test_small_images_are_not_asked_about(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", None)
    assert 4096 * 1025 > LARGE
    assert translated(Same(), folder, tmp_path / "out").done == 3


def test_what_a_network_takes_for_a_pixel_is_counted():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 3, 1))
    network.stride = 1
    # The input of three channels, eight between, and three made of them; four bytes each.
    assert bytes_per_pixel(network, 3) == 4 * (3 + 8 + 3)

    class Skipping(Same):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 8, 1)

        def forward(self, source):
            first = self.layer(source)
            second = first.relu()
            return torch.cat([first, second], 1)

    assert bytes_per_pixel(Skipping(), 3) == 4 * (3 + 8 + 8 + 16)


def test_a_network_that_needs_numbers_is_not_counted():
    class Choosing(Same):
        def forward(self, source):
            return source * 2 if float(source.mean()) > 0 else source

    assert bytes_per_pixel(Choosing(), 3) is None
    assert most_pixels(Choosing(), 3, CPU) is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_itself_is_skipped(folder, tmp_path):
    (folder / "self.png").symlink_to("self.png")
    (folder / "round").symlink_to("round")
    outcome = translated(Same(), folder, tmp_path / "out")
    (line,) = outcome.broken
    assert line.startswith(f"{folder / 'self.png'}: ")
    assert outcome.done == 3


def test_of_two_translations_into_one_folder_the_second_is_refused(folder, tmp_path):
    output = tmp_path / "out"
    assert translated(Same(), folder, output).done == 3
    with locked(output / ".imtrans"):
        with pytest.raises(ImtransError, match="out: another translation writes there"):
            translated(Same(), folder, output)
    assert translated(Same(), folder, output).kept == 3


# The Python API


def api():
    return Translator(Same(), Direct(DataTable(root="x")), device=CPU)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_in_memory_is_turned_upright(orientation, tmp_path):
    upright = draw_picture(1, (6, 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright.save(tmp_path / "turned.png", exif=exif)
    image = Image.open(tmp_path / "turned.png")
    result = api()(image)
    assert result.size == ((6, 4) if orientation < 5 else (4, 6))
    from_file = api().translate(images.Picture(str(tmp_path / "turned.png")))
    assert torch.equal(images.to_tensor(result), from_file)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "RGBX", "CMYK", "P", "1", "L", "RGB"])
def test_modes_of_pillow_are_taken(mode):
    image = Image.new("RGB", (5, 4), (200, 30, 60))
    image = image if mode == "LAB" else image.convert(mode)
    assert api()(image).size == (5, 4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Image.new("I", (4, 4)), "has the mode 'I'; use image.convert with one of 1, L, "),
        (Image.new("RGB", (0, 5)), "no pixels: it is 0 x 5"),
        ("house.png", "house.png: no such file"),
        (7, "an image of PIL, an array, a tensor or a path is expected, not a int"),
        (np.zeros(3, np.uint8), r"an array .H, W. or .H, W, C. is expected, of one image"),
        (torch.zeros(2, 2), r"a tensor .C, H, W. is expected, of one image; this one is .2, 2."),
        (np.zeros((4, 4, 3)), "'float64' channels; only uint8, uint16, float32 can be read"),
        (np.zeros((4, 4, 3), np.float32), "only 8-bit images are read. convert it to 8-bit"),
        (np.zeros((4, 4, 2), np.uint8), "2 channels; 3 expected. convert it$"),
    ],
)
def test_what_is_no_image_is_refused(given, said):
    with pytest.raises(ImtransError, match=said):
        api()(given)


def test_what_a_network_takes_may_be_counted_while_it_translates():
    """Which is done for every large picture, in the threads that read."""
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(5)), nn.BatchNorm2d(3))
    network.stride = 1
    network.eval()
    source, stop = torch.rand(1, 3, 32, 32), threading.Event()

    def count():
        while not stop.is_set():
            memory._count(network, 3)

    with torch.inference_mode():
        expected = network(source)
        counting = threading.Thread(target=count)
        counting.start()
        try:
            assert all(torch.equal(network(source), expected) for _ in range(300))
        finally:
            stop.set()
            counting.join()


def test_a_network_with_seeded_dropout_is_counted():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5))
    network.stride = 1
    with_seeded_dropout(network, Noise())
    assert bytes_per_pixel(network, 3) > 24
