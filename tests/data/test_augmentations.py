"""What augmentations promise: both halves stay aligned, and nothing is made up."""

from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imtrans.components.augmentations.affine import Affine
from imtrans.components.augmentations.colour_jitter import ColourJitter
from imtrans.components.augmentations.elastic import Elastic
from imtrans.components.augmentations.noise import GaussianNoise
from imtrans.components.augmentations.rot90 import Rot90
from imtrans.components.augmentations.scale import Scale
from imtrans.recipe.catalog import catalog
from imtrans.recipe.registry import Component, Plugin

# Over the catalog: an installed plugin's augmentation is tested by existing.
ALL = [component.builder for component in catalog().augmentations]
GEOMETRY = [augmentation for augmentation in ALL if augmentation.sides == "both"]
SOURCE_ONLY = [augmentation for augmentation in ALL if augmentation.sides == "source"]

# Beside the defaults: every option as strong as makes sense.
STRONG = {
    Scale: {"low": 2.0, "high": 3.0},
    Affine: {"degrees": 180.0, "translate": 0.5, "shear": 45.0},
    Elastic: {"alpha": 20.0, "sigma": 3.0},
    ColourJitter: {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5},
    GaussianNoise: {"sigma": 1.0},
}
NEUTRAL = [
    Rot90(turns=(0,)),
    Scale(low=1.0, high=1.0),
    Affine(degrees=0.0, translate=0.0, shear=0.0),
    Elastic(alpha=0.0),
    ColourJitter(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0),
    GaussianNoise(sigma=0.0),
]

SEEDS = st.integers(0, 2**32)
SIZES = st.sampled_from([(32, 48), (64, 64), (33, 47), (48, 31)])
CHANNELS = st.sampled_from([1, 3, 5])
RESAMPLES = st.sampled_from(["bilinear", "nearest"])
STRENGTHS = st.booleans()


def over(augmentations):
    return pytest.mark.parametrize("augmentation", augmentations, ids=lambda a: a.__name__)


def made(augmentation, strong):
    return augmentation(**STRONG.get(augmentation, {}) if strong else {})


def an_image(seed, channels, size):
    return torch.rand(channels, *size, generator=torch.Generator().manual_seed(seed))


def build(augmentation, **options):
    """As a recipe builds it: the options are checked."""
    plugin = Plugin("imtrans", "imtrans", "0")
    return Component("augmentation", "tested", augmentation, plugin).build(**options)


@over(ALL)
def test_an_augmentation_says_which_sides_it_changes(augmentation):
    assert augmentation.sides in ("both", "source")
    assert augmentation.__doc__


@over(ALL)
@given(SEEDS, CHANNELS, SIZES, RESAMPLES, STRENGTHS)
def test_size_channels_dtype_and_range_are_kept(
    augmentation, seed, channels, size, resample, strong
):
    image = an_image(seed, channels, size)
    before = image.clone()
    changed = made(augmentation, strong)(image, Random(seed), resample)
    assert changed.shape == image.shape
    assert changed.dtype == image.dtype
    assert changed.is_contiguous()
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(image, before)


@over(ALL)
@given(SEEDS, CHANNELS, SIZES, RESAMPLES, STRENGTHS)
def test_equal_draws_change_equal_images_alike(
    augmentation, seed, channels, size, resample, strong
):
    # Another state of torch's own generator must not matter.
    a, b = an_image(seed, channels, size), an_image(seed, channels, size)
    torch.manual_seed(1)
    first = made(augmentation, strong)(a, Random(seed), resample)
    torch.manual_seed(2)
    assert torch.equal(made(augmentation, strong)(b, Random(seed), resample), first)


@over(GEOMETRY)
@given(SEEDS, SIZES, RESAMPLES, STRENGTHS)
def test_geometry_moves_every_channel_alike_however_many_there_are(
    augmentation, seed, size, resample, strong
):
    a = an_image(seed, 5, size)
    whole = made(augmentation, strong)(a, Random(seed), resample)
    for part in (slice(0, 1), slice(0, 3), slice(2, 5), slice(4, 5)):
        alone = made(augmentation, strong)(a[part], Random(seed), resample)
        assert torch.equal(alone, whole[part])


@over(ALL)
@given(SEEDS, CHANNELS, CHANNELS, SIZES, RESAMPLES)
def test_what_is_drawn_depends_neither_on_values_nor_on_channels(
    augmentation, seed, one, other, size, resample
):
    draws = Random(seed), Random(seed)
    made(augmentation, True)(an_image(seed, one, size), draws[0], "bilinear")
    made(augmentation, True)(torch.zeros(other, *size), draws[1], resample)
    assert draws[0].getstate() == draws[1].getstate()


@over(ALL)
@given(SEEDS, CHANNELS, SIZES, STRENGTHS)
def test_labels_stay_labels(augmentation, seed, channels, size, strong):
    labels = (an_image(seed, channels, size) * 4).round() / 4
    changed = made(augmentation, strong)(labels, Random(seed), "nearest")
    assert set(changed.unique().tolist()) <= set(labels.unique().tolist())


@pytest.mark.parametrize("augmentation", NEUTRAL, ids=lambda a: type(a).__name__)
@given(SEEDS, CHANNELS, SIZES, RESAMPLES)
def test_neutral_options_change_nothing(augmentation, seed, channels, size, resample):
    image = an_image(seed, channels, size)
    assert torch.equal(augmentation(image, Random(seed), resample), image)


@over(ALL)
def test_another_draw_changes_an_image_otherwise(augmentation):
    image = an_image(0, 3, (48, 48))
    changed = [made(augmentation, False)(image, Random(seed), "bilinear") for seed in range(12)]
    assert any(not torch.equal(changed[0], other) for other in changed[1:])


@over(GEOMETRY)
def test_geometry_moves_labels_where_it_moves_pixels(augmentation):
    """`nearest` and `bilinear` differ by less than a pixel and on average by nothing: no drift."""
    ramp = torch.linspace(0, 1, 64)
    image = torch.stack([ramp.expand(64, 64), ramp.view(64, 1).expand(64, 64)])
    for seed in range(5):
        smooth, sharp = (
            made(augmentation, False)(image, Random(seed), resample)
            for resample in ("bilinear", "nearest")
        )
        difference = (smooth - sharp)[:, 8:-8, 8:-8] * 63  # in pixels
        assert difference.abs().max() <= 1
        assert difference.mean().abs() < 0.1


@given(SEEDS, CHANNELS)
def test_quarter_turns_are_exact_and_keep_the_size(seed, channels):
    square, wide = an_image(seed, channels, (32, 32)), an_image(seed, channels, (32, 48))
    turned = Rot90()(square, Random(seed), "bilinear")
    assert any(torch.equal(turned, torch.rot90(square, k, (1, 2))) for k in range(4))
    turned = Rot90()(wide, Random(seed), "bilinear")
    assert torch.equal(turned, wide) or torch.equal(turned, wide.flip(1, 2))
    assert torch.equal(Rot90(turns=(1,))(square, Random(seed), "nearest"), square.rot90(1, (1, 2)))


def test_quarter_turns_that_cannot_keep_the_size_are_refused():
    with pytest.raises(ValueError, match="48 x 32. add 0 or 2"):
        Rot90(turns=(1, 3))(an_image(0, 3, (32, 48)), Random(0), "bilinear")


def test_every_quarter_turn_is_drawn():
    image = torch.arange(4.0).view(1, 2, 2) / 4
    seen = {tuple(Rot90()(image, Random(s), "nearest").flatten().tolist()) for s in range(50)}
    assert len(seen) == 4


def test_a_zoom_of_two_shows_a_quarter_of_the_image_twice_as_large():
    image = an_image(0, 1, (32, 48))
    zoomed = Scale(low=2.0, high=2.0)(image, Random(0), "nearest")
    assert torch.equal(zoomed[:, ::2, ::2], zoomed[:, 1::2, 1::2])
    corner = zoomed[0, ::2, ::2]
    boxes = image[0].unfold(0, 16, 1).unfold(1, 24, 1).reshape(-1, 16, 24)
    assert (boxes == corner).flatten(1).all(dim=1).any()


def test_a_shift_moves_by_its_share_of_the_sides():
    ramp = torch.linspace(0, 1, 101)[None, None].expand(1, 51, 101)
    draw = Random(4)
    shift = [Random(4).uniform(0, 0)] + [draw.uniform(-limit, limit) for limit in (0, 0, 0.2, 0.2)]
    moved = Affine(degrees=0.0, translate=0.2, shear=0.0)(ramp.contiguous(), Random(4), "bilinear")
    by = (moved - ramp)[0, 25, 40:60]  # from the left: looked up `shift` of a side further right
    torch.testing.assert_close(by, torch.full_like(by, shift[3] * 101 / 100), atol=1e-3, rtol=0)


def test_a_turn_keeps_a_disc_round_in_an_image_that_is_not_square():
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(128) - 63.5, indexing="ij")
    radius = (x**2 + y**2).sqrt()
    disc = (24 - radius).clamp(0, 1)[None]
    for seed in range(5):
        turned = Affine(degrees=90.0, translate=0.0)(disc, Random(seed), "bilinear")
        # Beyond the edge, 32 pixels from the middle, the disc comes in mirrored.
        assert (turned - disc)[0, radius < 32].abs().max() < 0.3


def test_an_elastic_field_has_the_strength_that_is_asked_for():
    ramp = torch.linspace(0, 1, 257)[None, None].expand(1, 256, 257).contiguous()
    moves = [
        (Elastic(alpha=3.0, sigma=6.0)(ramp, Random(seed), "bilinear") - ramp)[..., 20:-20] * 256
        for seed in range(4)
    ]
    rms = torch.stack(moves).square().mean().sqrt()
    assert 2.7 < rms < 3.3


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_saturation_and_hue_are_of_rgb_alone(channels):
    image = an_image(0, channels, (32, 48))
    jitter = ColourJitter(brightness=0.0, contrast=0.0, saturation=1.0, hue=0.5)
    assert torch.equal(jitter(image, Random(0), "bilinear"), image)


def test_a_turn_of_the_hue_keeps_grey_and_value():
    image = an_image(0, 3, (32, 48))
    image[:, :4] = 0.5
    jitter = ColourJitter(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.5)
    turned = jitter(image, Random(1), "bilinear")
    torch.testing.assert_close(turned[:, :4], image[:, :4])
    torch.testing.assert_close(turned.amax(0), image.amax(0))
    assert not torch.allclose(turned, image, atol=0.1)


def test_brightness_multiplies_and_contrast_keeps_the_mean():
    image = an_image(0, 5, (32, 48)) * 0.2 + 0.4
    quiet = {"saturation": 0.0, "hue": 0.0}
    ratio = ColourJitter(brightness=0.3, contrast=0.0, **quiet)(image, Random(1), "") / image
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
    changed = ColourJitter(brightness=0.0, contrast=0.5, **quiet)(image, Random(1), "bilinear")
    torch.testing.assert_close(changed.mean(), image.mean())
    assert not torch.isclose(changed.std(), image.std(), rtol=0.01)


def test_noise_has_its_sigma_and_differs_between_channels():
    image = torch.full((5, 64, 64), 0.5)
    noise = GaussianNoise(sigma=0.05)(image, Random(0), "bilinear") - image
    assert abs(noise.std() - 0.05) < 0.002
    assert abs(noise.mean()) < 0.002
    assert not torch.equal(noise[0], noise[1])


@pytest.mark.parametrize(
    ("augmentation", "options"),
    [
        (Rot90, {"turns": []}),
        (Rot90, {"turns": [4]}),
        (Scale, {"low": 0.5}),
        (Scale, {"low": 1.5, "high": 1.2}),
        (Affine, {"degrees": -1.0}),
        (Affine, {"translate": 1.0}),
        (Affine, {"shear": 90.0}),
        (Elastic, {"alpha": -1.0}),
        (Elastic, {"sigma": 0.0}),
        (ColourJitter, {"brightness": 1.5}),
        (ColourJitter, {"hue": 0.6}),
        (GaussianNoise, {"sigma": -0.1}),
        (GaussianNoise, {"sigma": float("inf")}),
    ],
)
def test_nonsense_is_refused(augmentation, options):
    with pytest.raises(ValueError, match=r"\w"):
        build(augmentation, **options)


@over(ALL)
def test_options_can_be_given_as_a_recipe_gives_them(augmentation):
    build(augmentation, **STRONG.get(augmentation, {"turns": [0, 2]}))
