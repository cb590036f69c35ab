"""Exported files: every network in both formats, and what they compute."""

from functools import partial

import pytest
import torch
from flow_matching import Sampler
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.layers import norm_layer
from imtrans.components.generators.unet import UNet
from imtrans.data.encoding import Derived, Direct
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.translation.export.exporting import FORMATS, TOLERANCE, prove, trace
from imtrans.translation.export.parity import ParityError
from imtrans.translation.export.values import AsSeen, Colours
from imtrans.translation.network.modes import set_modes
from imtrans.translation.network.noise import seeded_torch
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")
DATA = {"root": "nowhere", "layout": "side_by_side"}
LARGEST = "unet_256"
FORMAT_NAMES = sorted(FORMATS)


class Little(nn.Sequential):
    """A network that is exported in a moment: all layers that export treats in its own way."""

    stride = 4

    def __init__(self, in_channels, out_channels, norm="batch"):
        super().__init__(
            nn.Conv2d(in_channels, 4, 3, padding=1),
            norm_layer(norm)(4),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.5),
            nn.Conv2d(4, 4, 4, stride=4),
            norm_layer(norm)(4),
            nn.ConvTranspose2d(4, out_channels, 4, stride=4),
            nn.Tanh(),
        )


def translator(build=Little, statistics="image", data=None, encoding=None, **options):
    """A translator that was not trained, whose running statistics are not those of a new one."""
    encoding = encoding or Direct(DataTable(**DATA, **(data or {})))
    channels = encoding.source_channels, encoding.target_channels
    torch.manual_seed(0)
    network = build(*channels, **options)
    with torch.no_grad():
        network(torch.rand(2, channels[0], *2 * [max(64, network.stride * 2)]))
    set_modes(network, statistics)
    return Translator(network, encoding, device=CPU)


def proven(ours, kind, *how):
    """A file, its graph, and how far it is from the translator."""
    traced = trace(ours, *how)
    file = FORMATS[kind](traced.program)
    return file, traced.graph, prove(ours, traced, file)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("onnx", marks=pytest.mark.soak),
        pytest.param("pt2", marks=pytest.mark.thorough),
    ],
)
def test_upsampling_by_resizing_is_exported(kind):
    little = partial(UNet, depth=2, skips=True, width=2, dropout=0.0, upsample="resize")
    assert proven(translator(little), kind)[2].largest < TOLERANCE


# Of one the tests of the command export both formats, too (test_export_command.py).
GENERATORS = [
    pytest.param(name, marks=pytest.mark.thorough if name == LARGEST else pytest.mark.soak)
    for name in catalog().generators.names()
]


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_is_exported_in_both_formats_and_computes_the_same(name):
    ours = translator(catalog().generators[name].builder, width=2)
    traced = trace(ours)
    # One stride is the smallest size, and the one that unet_256 is mostly used at.
    side = max(32, ours.module.stride)
    stored = torch.randint(256, (1, 3, side, side)).float()
    expected = ours.encoding.target.decode(ours.output(ours.encoding.source.encode(stored))[0])
    for kind in FORMATS.values():
        file = kind(traced.program)
        found = prove(ours, traced, file)
        assert found.largest < TOLERANCE
        assert sorted(count for count, *_ in found.sizes) == [1, 2, 3]
        assert all(height != width for _, height, width in found.sizes)
        assert (file(stored)[0][0] - expected).abs().max() < 0.51  # which is rounded


@pytest.mark.thorough
@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_each_image_is_normalised_by_itself(kind):
    file, *_ = proven(translator(norm="batch"), kind)
    dark, bright = torch.rand(1, 3, 32, 24) * 20, torch.rand(1, 3, 32, 24) * 20 + 230
    (both,) = file(torch.cat([dark, bright]))
    alone = torch.cat([file(image)[0] for image in (dark, bright)])
    assert (both - alone).abs().max() < 1e-2  # of 255


@pytest.mark.soak
@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_running_statistics_are_those_of_training(kind):
    ours = translator(statistics="running")
    traced = trace(ours, "fp32", "running")
    file = FORMATS[kind](traced.program)
    assert prove(ours, traced, file).largest < TOLERANCE
    set_modes(ours.module, "image")
    with pytest.raises(ParityError, match=r"differs from imtrans's own by 0\.\d+ in \[-1, 1\]"):
        prove(ours, traced, file)


@pytest.mark.soak
@pytest.mark.parametrize(("norm", "kind"), [("instance", "onnx"), ("none", "pt2")])
def test_other_norms_are_exported_too(norm, kind):
    assert proven(translator(norm=norm), kind)[2].largest < TOLERANCE


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "precision", "most"),
    [
        ("pt2", "bf16", 16),
        ("onnx", "fp16", 2),
        pytest.param("pt2", "fp16", 2, marks=pytest.mark.thorough),
    ],
)
def test_low_precision_states_its_own_error(kind, precision, most):
    _, graph, found = proven(translator(), kind, precision)
    largest, mean = found.in_grey_levels
    assert 0 < mean < largest < most
    assert next(graph.network[0].parameters()).dtype != torch.float32
    assert f"{largest:.2g} and {mean:.2g} of 255 grey levels" in str(found)


def test_pixels_of_other_ranges_and_channels():
    sides = {
        "source": {"channels": 2, "dtype": "uint16"},
        "target": {"channels": 1, "dtype": "float32", "range": (-5.0, 20.0)},
    }
    ours = translator(data=sides)
    file, *_ = proven(ours, "pt2")
    stored = torch.randint(65536, (2, 2, 32, 48))
    (made,) = file(stored.float())
    for one, source in zip(made, stored, strict=True):
        output = ours.output(ours.encoding.source.encode(source[None]))
        assert (one - ours.encoding.target.decode(output[0])).abs().max() < 1e-2
    assert made.min() >= -5
    assert made.max() <= 20


@pytest.mark.thorough
@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_label_colours_go_in_and_come_out(kind):
    colours = [[0, 0, 255], [255, 0, 0], [40, 200, 40]]
    side = {"resample": "nearest", "classes": colours}
    ours = translator(data={"source": side, "target": side})
    file, graph, found = proven(ours, kind)
    assert isinstance(graph.target, Colours)
    stored = torch.randint(256, (2, 3, 32, 48)).float()  # of no class: the nearest counts
    made, scores = file(stored)
    for one, source in zip(made, stored, strict=True):
        output = ours.output(ours.encoding.source.encode(source[None]))
        assert (one == ours.encoding.target.decode(output[0])).float().mean() > 0.999
    assert torch.equal(made, torch.tensor(colours).float()[scores.argmax(1)].movedim(-1, 1))


@pytest.mark.soak
@pytest.mark.parametrize(
    ("name", "channels", "kind"),
    [
        ("lab", 3, "onnx"),
        ("mask", 4, "pt2"),
        *(pytest.param(name, 3, "pt2", marks=pytest.mark.soak) for name in ("grayscale", "edges")),
    ],
)
def test_photographs_go_in_and_come_out_where_sources_are_derived(name, channels, kind):
    derivation = catalog().derivations[name].builder()
    ours = translator(encoding=Derived(derivation, DataTable(**DATA)))
    file, _, found = proven(ours, kind)
    photo = torch.randint(256, (channels, 32, 48)).float()
    source = derivation.given(photo / 255)[None]
    expected = ours.encoding.result(ours.output(source), source)
    (made,) = file(torch.stack([photo, photo.flip(1)]))
    assert made.shape == (2, 3, 32, 48)
    assert (made[0] - expected).abs().max() < 0.6


def test_a_derivation_that_changes_the_size_is_left_out():
    derivation = catalog().derivations["downscale"].builder()
    ours = translator(encoding=Derived(derivation, DataTable(**DATA)))
    _, graph, found = proven(ours, "pt2")
    assert isinstance(graph.source, AsSeen)
    assert found.largest < TOLERANCE


class Wandering(nn.Module):
    """Takes one way or the other, as its input is."""

    stride = 4

    def forward(self, source):
        return source if source.mean() > 0 else -source


class Drawing(nn.Module):
    stride, draws = 4, True

    def forward(self, source):
        return source + torch.rand_like(source)


class OwnNorm(nn.BatchNorm2d):
    stride = 4

    def forward(self, input):
        return super().forward(input) * 2


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Wandering(), "cannot be exported for any batch and size: "),
        (Drawing(), "draws random numbers"),
        (nn.Sequential(OwnNorm(3)), "has a batch norm of its own.* --statistics running"),
    ],
)
def test_a_network_that_cannot_be_exported_is_one_line(network, reason):
    network.stride = 4
    ours = Translator(network, Direct(DataTable(**DATA)), device=CPU)
    with pytest.raises(ImtransError, match=reason) as error:
        proven(ours, "pt2")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["pt2", pytest.param("onnx", marks=pytest.mark.thorough)])
def test_a_sampler_is_exported_with_its_noise_as_an_input(kind):
    ours = translator(lambda source, target: Sampler(source, target, 2, 4))
    file, _, found = proven(ours, kind)
    assert found.largest < TOLERANCE
    source, noise = torch.randint(256, (2, 3, 32, 48)).float(), torch.randn(2, 3, 32, 48)
    (made,), (again,) = (file(source, noise) for _ in range(2))
    assert torch.equal(made, again)
    (other,) = file(source, torch.zeros_like(noise))
    assert (made - other).abs().mean() > 10  # of 255
    # What imtrans makes of a seed is what the file makes of the noise of that seed.
    with seeded_torch(7, CPU):
        drawn = torch.randn(1, 3, 32, 48)
    alone = ours.output(ours.encoding.source.encode(source[:1]), seed=7)
    expected = ours.encoding.target.decode(alone[0])
    assert (file(source[:1], drawn)[0][0] - expected).abs().max() < 0.51  # which is rounded


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "precision"), [("onnx", "fp16"), ("pt2", "bf16")])
def test_a_sampler_of_low_precision_states_its_error(kind, precision):
    ours = translator(lambda source, target: Sampler(source, target, 2, 4))
    assert 0 < proven(ours, kind, precision)[2].largest < 0.1


class Restless(Sampler):
    """Draws more than the noise that it is given."""

    def forward(self, source, noise=None):
        return super().forward(source, noise) + torch.rand(source.shape)


def test_a_sampler_that_draws_more_than_its_noise_is_no_export():
    ours = translator(lambda source, target: Restless(source, target, 2, 4))
    with pytest.raises(ParityError, match=r"differs from imtrans's own by"):
        proven(ours, "pt2")


def test_values_that_are_not_finite_are_no_export():
    class Exploding(nn.Module):
        stride = 4

        def forward(self, source):
            return (source * 65500) * 65500 * 0

    ours = Translator(Exploding(), Direct(DataTable(**DATA)), device=CPU)
    assert proven(ours, "pt2")[2].largest == 0
    with pytest.raises(ParityError, match="is not finite"):
        proven(ours, "pt2", "fp16")


@pytest.mark.thorough
def test_what_is_larger_than_onnx_can_hold_is_one_line(monkeypatch):
    monkeypatch.setattr("imtrans.translation.export.onnx.MOST", 1000)
    with pytest.raises(ImtransError, match=r"holds 2 GB at most; use --format pt2"):
        proven(translator(), "onnx")
