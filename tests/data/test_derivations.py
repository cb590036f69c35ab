"""What each derivation makes of a photograph, and of what a user gives it."""

from random import Random

import pytest
import torch
from torch.nn.functional import interpolate

from imtrans.components.derivations.downscale import Downscale
from imtrans.components.derivations.edges import Edges
from imtrans.components.derivations.grayscale import Grayscale
from imtrans.components.derivations.lab import Lab
from imtrans.components.derivations.mask import Mask
from imtrans.recipe.registry import Component, Plugin

ALL = [Grayscale(), Lab(), Edges(), Mask(), Mask(kind="strokes"), Downscale()]

HALF = 0.5 / 255  # a grey level, which rounding to eight bits forgives


def every(derivations):
    return pytest.mark.parametrize("derivation", derivations, ids=lambda d: type(d).__name__)


def a_photo(height=32, width=48, seed=0):
    """Blobs of colour, with white and black in it; a photograph rather than noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 8, generator=generator)
    photo = interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)
    photo[:, :2, :2], photo[:, -2:, -2:] = 1, 0
    return photo


def build(derivation, **options):
    """As a recipe builds it: the options are checked."""
    plugin = Plugin("imtrans", "imtrans", "0")
    return Component("derivation", "tested", derivation, plugin).build(**options)


@every(ALL)
def test_source_and_target_have_the_channels_that_are_promised_and_stay_in_range(derivation):
    photo = a_photo()
    source, target = derivation.derive(photo, Random(1)), derivation.target(photo)
    assert source.shape == (derivation.source_channels, 32, 48)
    assert target.shape == (derivation.target_channels, 32, 48)
    for image in (source, target):
        assert image.dtype == torch.float32
        assert image.min() >= -1
        assert image.max() <= 1


@every(ALL)
def test_a_source_is_a_pure_function_of_the_photograph_and_of_the_draws(derivation):
    photo = a_photo()
    before = photo.clone()
    first, second = (derivation.derive(photo, Random(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(photo, before)


@every(ALL)
def test_the_target_composed_with_its_source_is_the_photograph(derivation):
    photo = a_photo()
    source = derivation.derive(photo, Random(1))
    again = derivation.compose(derivation.target(photo), source)
    assert again.shape == photo.shape
    assert (again - photo).abs().max() < HALF


@every(ALL)
def test_a_wild_fake_is_composed_into_range(derivation):
    source = derivation.derive(a_photo(), Random(1))
    wild = torch.full((derivation.target_channels, 32, 48), 3.0)
    for fake in (wild, -wild):
        photo = derivation.compose(fake, source)
        assert photo.min() >= 0
        assert photo.max() <= 1


@every(ALL)
@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_a_photograph_that_is_not_rgb_is_refused(derivation, channels):
    photo = torch.rand(channels, 32, 48)
    with pytest.raises(ValueError, match=f"3 channels; this one has {channels}"):
        derivation.derive(photo, Random(0))
    with pytest.raises(ValueError, match=f"3 channels; this one has {channels}"):
        derivation.target(photo)


@every([Grayscale(), Lab(), Edges(), Downscale()])
@pytest.mark.parametrize("channels", [2, 5])
def test_a_given_picture_of_unknown_channels_is_refused(derivation, channels):
    with pytest.raises(ValueError, match=f"1, 3 or 4 channels; this one has {channels}"):
        derivation.given(torch.rand(channels, 32, 48))


@every([Grayscale(), Lab(), Edges(), Downscale()])
def test_a_given_picture_may_be_grey_rgb_or_rgba_and_transparency_lies_over_white(derivation):
    grey = a_photo()[:1]
    rgb, opaque = grey.repeat(3, 1, 1), torch.ones_like(grey)
    expected = derivation.given(rgb)
    torch.testing.assert_close(derivation.given(grey), expected)
    torch.testing.assert_close(derivation.given(torch.cat([rgb, opaque])), expected)
    # Black hides under this transparency.
    hidden = torch.zeros(4, 32, 48)
    torch.testing.assert_close(derivation.given(hidden), derivation.given(torch.ones(3, 32, 48)))


@every([Grayscale(), Lab()])
def test_a_given_photograph_is_seen_as_in_training(derivation):
    photo = a_photo()
    assert torch.equal(derivation.given(photo), derivation.derive(photo, Random(0)))


def test_grayscale_is_luma():
    pure = torch.eye(3).view(3, 1, 3)  # red, green, blue
    luma = (Grayscale().derive(pure, Random(0)) + 1) / 2
    torch.testing.assert_close(luma.flatten(), torch.tensor([0.299, 0.587, 0.114]))


def test_lab_splits_a_photograph_into_lightness_and_colour():
    # sRGB white, black, and pure red: (53.24, 80.09, 67.20) under D65.
    photo = torch.tensor([[1.0, 0, 1], [1, 0, 0], [1, 0, 0]]).view(3, 1, 3)
    lightness, colour = Lab().derive(photo, Random(0)), Lab().target(photo)
    expected = torch.tensor([100 / 50 - 1, -1, 53.24 / 50 - 1])
    torch.testing.assert_close(lightness.flatten(), expected, atol=1e-3, rtol=0)
    red = torch.tensor([80.09 / 110, 67.20 / 110])
    torch.testing.assert_close(colour[:, 0, 2], red, atol=1e-3, rtol=0)
    assert colour[..., :2].abs().max() < 1e-3


def test_lab_gives_every_colour_back():
    photo = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(0)) / 255
    again = Lab().compose(Lab().target(photo), Lab().derive(photo, Random(0)))
    assert (again - photo).abs().max() < HALF


def test_lab_without_colour_is_grey():
    source = Lab().derive(a_photo(), Random(0))
    photo = Lab().compose(torch.zeros(2, 32, 48), source)
    assert (photo.amax(0) - photo.amin(0)).max() < HALF


def test_edges_are_black_lines_on_white():
    photo = torch.zeros(3, 32, 48)
    photo[:, 8:24, 12:36] = 1
    source = Edges().derive(photo, Random(0))[0]
    assert set(source.unique().tolist()) == {-1, 1}
    rows, columns = torch.nonzero(source == -1, as_tuple=True)
    for places, (first, last) in ((rows, (8, 24)), (columns, (12, 36))):
        assert (places.min() - first).abs() <= 1
        assert (places.max() - last).abs() <= 1
    assert (source[12:20, 16:32] == 1).all()
    assert (Edges().derive(torch.full((3, 32, 48), 0.4), Random(0)) == 1).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.02, 0.3), (0.1, 0.2), (0.4, 0.4)])
def test_edges_are_those_of_kornia(low, high):
    from kornia.filters import canny

    noise = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(2))
    photo = interpolate(a_photo(48, 64)[None] * 0.9 + 0.1 * noise[None], (48, 64))[0]
    expected = canny(photo[None], max(low, 1e-6), max(high, 1e-6))[1][0]
    found = Edges(low=low, high=high).derive(photo, Random(0))
    assert torch.equal(found, 1 - 2 * expected)


def test_higher_thresholds_leave_fewer_lines():
    photo = a_photo(64, 64)
    lines = [
        (Edges(low=t, high=t).derive(photo, Random(0)) < 0).sum() for t in (0.05, 0.2, 0.6, 3.0)
    ]
    assert lines[0] > lines[1] > lines[2] > lines[3] == 0


def test_a_drawing_is_taken_as_it_is():
    drawing = Edges().derive(a_photo(), Random(0))
    assert torch.equal(Edges().given((drawing + 1) / 2), drawing)


@pytest.mark.parametrize("kind", ["rectangles", "strokes"])
def test_a_hole_is_grey_in_the_photograph_and_marked_in_the_fourth_channel(kind):
    photo = a_photo()
    source = Mask(kind=kind).derive(photo, Random(3))
    hole = source[3] == 1
    assert ((source[3] == -1) | hole).all()
    assert (source[:3, hole] == 0).all()
    assert torch.equal(source[:3, ~hole], photo[:, ~hole] * 2 - 1)


@pytest.mark.parametrize("kind", ["rectangles", "strokes"])
@pytest.mark.parametrize(("low", "high"), [(0.1, 0.4), (0.25, 0.25), (0.001, 0.01), (0.9, 0.95)])
def test_a_hole_covers_the_share_that_is_asked_for(kind, low, high):
    derivation = Mask(kind=kind, min_share=low, max_share=high)
    for seed in range(20):
        share = (derivation.derive(a_photo(64, 96), Random(seed))[3] > 0).float().mean()
        assert low - 1e-3 <= share <= high + 1 / 64


@pytest.mark.parametrize("kind", ["rectangles", "strokes"])
def test_another_draw_makes_another_hole_that_the_photograph_has_no_part_in(kind):
    derivation, photo = Mask(kind=kind), a_photo()
    holes = [derivation.derive(photo, Random(seed))[3] for seed in range(6)]
    assert all(not torch.equal(holes[0], other) for other in holes[1:])
    assert torch.equal(holes[0], derivation.derive(1 - photo, Random(0))[3])


def test_known_pixels_come_out_as_they_were_and_the_hole_is_the_fake():
    photo = torch.randint(0, 256, (3, 32, 48), generator=torch.Generator().manual_seed(1)) / 255
    source = Mask().derive(photo, Random(0))
    hole = source[3] > 0
    result = Mask().compose(torch.full((3, 32, 48), 0.5), source)
    assert torch.equal((result * 255).round()[:, ~hole], (photo * 255).round()[:, ~hole])
    assert (result[:, hole] == 0.75).all()


def test_what_is_transparent_is_to_be_filled_in():
    photo, alpha = a_photo(), torch.ones(1, 32, 48)
    alpha[:, 4:9, 5:20] = 0.3
    alpha[:, 20:25] = 0.6  # a soft shadow is known
    source = Mask().given(torch.cat([photo, alpha]))
    expected = torch.full((32, 48), -1.0)
    expected[4:9, 5:20] = 1
    assert torch.equal(source[3], expected)
    assert (source[:3, 4:9, 5:20] == 0).all()
    derived = Mask().derive(photo, Random(5))
    given = Mask().given(torch.cat([photo, (derived[3:] < 0).float()]))
    assert torch.equal(given, derived)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_without_transparency_has_no_hole(channels):
    with pytest.raises(ValueError, match="make the hole transparent"):
        Mask().given(torch.rand(channels, 32, 48))


def test_a_small_picture_is_seen_as_a_photograph_made_small():
    photo = a_photo()
    small = interpolate(photo[None], (8, 12), mode="bicubic", antialias=True)[0].clamp(0, 1)
    assert torch.equal(Downscale().given(small), Downscale().derive(photo, Random(0)))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_small_picture_becomes_larger_by_the_factor(factor):
    source = Downscale(factor=factor).given(torch.rand(3, 7, 5))
    assert source.shape == (3, 7 * factor, 5 * factor)


def test_what_is_finer_than_the_factor_is_gone_without_a_trace():
    # Stripes one pixel wide average to grey; without antialiasing they would alias to a pattern.
    stripes = (torch.arange(48) % 2).float().expand(3, 32, 48)
    source = Downscale().derive(stripes, Random(0))[..., 8:-8]
    assert source.abs().max() < 0.05
    flat = Downscale().derive(torch.full((3, 32, 48), 0.25), Random(0))
    torch.testing.assert_close(flat, torch.full_like(flat, -0.5))


def test_sizes_that_the_factor_does_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 4; the image is 50 x 32"):
        Downscale().derive(torch.rand(3, 32, 50), Random(0))


@pytest.mark.parametrize(
    ("derivation", "options", "told"),
    [
        (Edges, {"low": 0.3, "high": 0.2}, "above high"),
        (Edges, {"low": -0.1}, "low"),
        (Edges, {"sigma": 0.0}, "sigma"),
        (Edges, {"kernel_size": 4}, "odd"),
        (Edges, {"kernel_size": 0}, "kernel_size"),
        (Mask, {"kind": "circles"}, "kind"),
        (Mask, {"min_share": 0.5, "max_share": 0.4}, "above max_share"),
        (Mask, {"min_share": 0.0}, "min_share"),
        (Mask, {"max_share": 1.0}, "max_share"),
        (Downscale, {"factor": 1}, "factor"),
        (Downscale, {"factor": 2.5}, "factor"),
        (Grayscale, {"factor": 2}, "factor"),
        (Lab, {"factor": 2}, "factor"),
    ],
)
def test_nonsense_is_refused(derivation, options, told):
    with pytest.raises(ValueError, match=told):
        build(derivation, **options)
