"""What the networks see of stored pixels, and what is written and shown of a fake."""

import pytest
import torch
from drawn import draw_picture

from imtrans.data.encoding import Derived, Direct, Side, rgb8
from imtrans.data.pixels.images import to_image, to_picture
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable

EVERY_BYTE = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
EVERY_WORD = torch.arange(65536, dtype=torch.int32).view(1, 1, 256, 256)


def data(**keys):
    return DataTable(root="x", **keys)


@pytest.mark.parametrize(
    ("dtype", "stored"), [("uint8", EVERY_BYTE), ("uint16", EVERY_WORD)], ids=["uint8", "uint16"]
)
def test_stored_pixels_span_minus_one_to_one_and_come_back_exactly(dtype, stored):
    side = Side(SideTable(channels=1, dtype=dtype))
    seen = side.encode(stored)
    assert (seen.min(), seen.max()) == (-1, 1)
    assert torch.equal(side.decode(seen), stored)


def test_the_range_of_a_side_is_what_spans_minus_one_to_one():
    side = Side(SideTable(channels=1, dtype="uint16", range=(100.0, 4095.0)))
    stored = torch.tensor([100, 4095, 2000], dtype=torch.int32).view(1, 1, 1, 3)
    seen = side.encode(stored)
    assert seen[..., :2].flatten().tolist() == [-1, 1]
    assert torch.equal(side.decode(seen), stored)


def test_float_images_come_back_within_their_range():
    side = Side(SideTable(channels=2, dtype="float32", range=(-5.0, 5.0)))
    stored = torch.rand(1, 2, 4, 4) * 10 - 5
    torch.testing.assert_close(side.decode(side.encode(stored)), stored)


def test_a_fake_beyond_the_range_is_clamped_not_wrapped():
    wild = torch.tensor([-3.0, -1.0, 1.0, 3.0]).view(1, 1, 2, 2)
    assert Side(SideTable(channels=1)).decode(wild).flatten().tolist() == [0, 0, 255, 255]


LABELS = SideTable(classes=((0, 0, 170), (255, 0, 0), (0, 255, 255)), resample="nearest")


def test_a_label_map_becomes_one_channel_per_class_and_comes_back():
    side = Side(LABELS)
    colours = torch.tensor(LABELS.classes, dtype=torch.uint8)
    stored = colours[torch.tensor([[0, 1, 2], [2, 2, 1]])].movedim(-1, 0)[None]
    seen = side.encode(stored)
    assert seen.shape == (1, 3, 2, 3)
    assert set(seen.flatten().tolist()) == {-1.0, 1.0}
    assert torch.equal(seen.sum(dim=1), torch.full((1, 2, 3), -1.0))
    assert torch.equal(side.decode(seen), stored)


def test_a_colour_blurred_by_jpeg_counts_as_the_nearest_class():
    side = Side(LABELS)
    blurred = torch.tensor([240, 12, 9], dtype=torch.uint8).view(1, 3, 1, 1)
    assert side.encode(blurred).flatten().tolist() == [-1, 1, -1]


def test_the_networks_have_a_channel_for_each_class():
    encoding = Direct(data(source=LABELS))
    assert (encoding.source_channels, encoding.target_channels) == (3, 3)
    assert encoding.result_channels == 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_any_number_of_channels_is_shown_as_rgb(channels):
    shown = rgb8(torch.rand(channels, 4, 5))
    assert (shown.shape, shown.dtype) == ((3, 4, 5), torch.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_colourisation_keeps_the_lightness_of_the_photograph(mode):
    encoding = Derived(catalog().derivations["lab"].build(), data(layout="photos", derive="lab"))
    photo = draw_picture(1, (50, 40)).point(lambda value: 60 + value // 3).convert(mode)
    source = encoding.given(to_picture(photo)).source
    fake = torch.cat([source * 0 + 0.1, source * 0 - 0.3], dim=1)
    blue = encoding.result(fake, source)
    again = encoding.given(to_picture(to_image(blue))).source
    assert (source - again).abs().max() < 0.03
    assert blue.float().mean(dim=(1, 2))[2] > 100
