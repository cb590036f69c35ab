"""What the networks see of stored pixels, and what a person gets back."""

import torch

from imtrans.data.colour import Direct, Lab, colours
from imtrans.schema import DataTable

EVERY_VALUE = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def test_stored_pixels_span_minus_one_to_one_and_come_back_exactly():
    shown = Direct(1, 1)
    source = shown.encode_source(EVERY_VALUE)
    assert (source.min(), source.max()) == (-1, 1)
    assert torch.equal(shown.decode(source, source), EVERY_VALUE)
    assert torch.equal(shown.show_source(source), EVERY_VALUE)


def test_a_fake_beyond_the_range_is_clamped_not_wrapped():
    shown = Direct(1, 1)
    wild = torch.tensor([-3.0, -1.0, 1.0, 3.0]).view(1, 1, 2, 2)
    assert shown.decode(wild, wild).flatten().tolist() == [0, 0, 255, 255]


def test_lab_splits_a_photograph_into_lightness_and_colour():
    shown = Lab()
    # sRGB white, black, and pure red: (53.24, 80.09, 67.20) under D65.
    photo = torch.tensor([[255, 0, 255], [255, 0, 0], [255, 0, 0]], dtype=torch.uint8)
    photo = photo.view(1, 3, 1, 3)
    lightness, colour = shown.encode_source(photo), shown.encode_target(photo)
    expected = torch.tensor([100 / 50 - 1, -1, 53.24 / 50 - 1])
    torch.testing.assert_close(lightness.flatten(), expected, atol=1e-3, rtol=0)
    red = torch.tensor([80.09 / 110, 67.20 / 110])
    torch.testing.assert_close(colour[0, :, 0, 2], red, atol=1e-3, rtol=0)
    assert colour[..., :2].abs().max() < 1e-3


def test_lab_halves_make_the_photograph_again():
    torch.manual_seed(0)
    photo = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    shown = Lab()
    again = shown.decode(shown.encode_target(photo), shown.encode_source(photo))
    assert (again.int() - photo.int()).abs().max() <= 1


def test_the_lightness_of_a_photograph_is_shown_in_grey():
    photo = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    grey = Lab().show_source(Lab().encode_source(photo))
    assert (grey.float().amax(1) - grey.float().amin(1)).max() <= 1


def test_the_recipe_says_how_data_are_shown():
    shown = colours(DataTable(root="x", layout="photos", derive="lab"))
    assert (shown.source_channels, shown.target_channels) == (1, 2)
    assert shown.stored_channels == (3, 3)
    shown = colours(DataTable(root="x", source_channels=1))
    assert (shown.source_channels, shown.target_channels) == (1, 3)
