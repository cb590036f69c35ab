"""Translating in tiles: the output of the whole, without seams and without a difference in tone."""

from itertools import pairwise

import pytest
import torch
from drawn import draw_picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.layers import InstanceNorm
from imtrans.data.encoding import Direct
from imtrans.host.devices import free_memory
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.translation.network.memory import tile_that_fits
from imtrans.translation.network.modes import set_modes
from imtrans.translation.tiles import tiles as module
from imtrans.translation.tiles.tiled import TiledTranslator
from imtrans.translation.tiles.tiles import InMemory, Tiles
from imtrans.translation.tiles.tiling import Axis, Tiling, checked
from imtrans.translation.translator import Translator

SIZES = [(1, 1), (1, 150), (71, 133), (64, 64), (65, 33)]
CPU = torch.device("cpu")


class Pointwise(nn.Module):
    """Changes each pixel by itself, and remembers what it computed."""

    def __init__(self, stride=1):
        super().__init__()
        self.stride, self.seen = stride, []

    def forward(self, source):
        if not source.is_meta:  # as where its memory is counted
            self.seen.append(tuple(source.shape))
        return (source * 0.5).sin()


def translator(network, **data):
    set_modes(network, "image")
    return Translator(network, Direct(DataTable(root="x", **data)), device=CPU)


def in_tiles(network, source, tile, overlap=None, **options):
    tiles = Tiles(translator(network), tile, overlap, **options)
    return torch.cat([rows.clone() for rows in tiles.outputs(InMemory(source))], dim=-2)


# --- where tiles are ---

sizes = st.integers(1, 400)


def axis_of(size, tile, share, stride):
    return Axis(size, -(-tile // stride) * stride, tile * share // 100, stride)


strides = st.sampled_from([1, 4, 12, 64, 256])
axes = st.builds(axis_of, sizes, st.integers(32, 300), st.integers(0, 49), strides)


@given(axes)
def test_tiles_cover_a_side_and_overlap_by_no_less_than_was_asked(axis):
    assert axis.length % axis.stride == 0
    assert axis.starts[0] == 0
    assert axis.starts[-1] + axis.length == axis.padded >= axis.size
    assert all(start % axis.grid == 0 for start in axis.starts)
    for one, following in pairwise(axis.starts):
        assert following > one
        assert one + axis.length - following >= axis.overlap or axis.grid > axis.overlap > 0


@given(axes)
def test_weights_add_up_to_one(axis):
    sums = torch.zeros(axis.padded)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        assert (weights > 0).all()
        sums[start : start + axis.length] += weights
    torch.testing.assert_close(sums, torch.ones(axis.padded))


@given(axes)
def test_tiles_that_are_apart_count_each_px_once(axis):
    assert sum(count for _, count in axis.apart) == axis.padded
    assert all(0 <= start <= axis.padded - axis.length for start, _ in axis.apart)


def test_a_picture_of_one_tile_is_padded_as_without_tiles():
    for size in (1, 33, 64, 100):
        axis = Axis(size, 128, 16, 64)
        assert axis.starts == [0]
        assert axis.padded == (64 if size <= 64 else 128)


@pytest.mark.parametrize(
    ("tile", "overlap", "told"),
    [
        (0, None, "tiles of 0 px; use --tile 512, or another size above 0"),
        (-5, None, "tiles of -5 px"),
        (
            100,
            64,
            "an overlap of 64 px in tiles of 128 px; use --overlap 16, or another below half",
        ),
        (512, -1, "an overlap of -1 px in tiles of 512 px; use --overlap 64"),
    ],
)
def test_sizes_that_no_tiles_can_have_are_refused(tile, overlap, told):
    with pytest.raises(ImtransError, match=told):
        checked(tile, overlap, 64)


def test_a_tile_is_rounded_up_to_the_stride():
    assert checked(100, None, 64) == (128, 16)
    assert checked(1, 0, 1) == (32, 0)
    assert checked(512, 0, 256) == (512, 0)


# --- what is computed ---


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("tile", "overlap"), [(32, 0), (32, 15), (64, None)])
@pytest.mark.parametrize("stride", [1, 64])
def test_a_network_that_sees_single_pixels_makes_the_same_of_tiles(size, tile, overlap, stride):
    source, network = torch.rand(1, 3, *size) * 2 - 1, Pointwise(stride)
    output = in_tiles(network, source, tile, overlap)
    torch.testing.assert_close(output, (source * 0.5).sin())
    limit = checked(tile, overlap, stride)[0]
    assert all(side <= limit and side % stride == 0 for seen in network.seen for side in seen[-2:])


def network_of(name, norm, seed=0, **options):
    torch.manual_seed(seed)
    return catalog().generators[name].build(3, 3, width=4, norm=norm, **options)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_picture_of_one_tile_is_what_it_is_without_tiles(norm):
    network, source = network_of("resnet_6", norm), torch.rand(1, 3, 50, 70) * 2 - 1
    whole = translator(network).output(source)
    assert torch.equal(in_tiles(network, source, 96), whole)


class Plugin(InstanceNorm):
    """A norm of a plugin, which computes more than torch's."""

    def forward(self, input):
        return super().forward(input * 2) + 1


def with_norm(norm):
    class Network(nn.Module):
        stride = 1

        def __init__(self):
            super().__init__()
            self.mix, self.norm = nn.Conv2d(3, 4, 1), norm

        def forward(self, source):
            normed = self.norm(self.mix(source))
            return self.norm(normed.relu())[:, :3]  # a norm that is called twice

    torch.manual_seed(1)
    return Network()


NORMS = {
    "batch": lambda: nn.BatchNorm2d(4),
    "instance": lambda: nn.InstanceNorm2d(4, affine=True),
    "plugin": lambda: Plugin(4),
    "group": lambda: nn.GroupNorm(2, 4),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("size", "apart"), [((96, 128), 1e-4), ((70, 101), 0.02)])
def test_statistics_are_those_of_the_whole_picture(norm, size, apart, monkeypatch):
    monkeypatch.setattr(module, "TOGETHER", 99)
    network = with_norm(NORMS[norm]())
    source = torch.rand(1, 3, *size)
    source[..., size[1] // 2 :] *= 0.1  # one half is dark, and without contrast
    whole = translator(network).output(source)
    torch.testing.assert_close(in_tiles(network, source, 32, 0), whole, rtol=apart, atol=apart)


def test_running_statistics_are_not_replaced():
    network = network_of("resnet_6", "batch")
    with torch.no_grad():
        network(torch.rand(2, 3, 64, 64))
    set_modes(network, "running")
    tiles = Tiles(Translator(network, Direct(DataTable(root="x")), device=CPU), 32)
    assert tiles.statistics(InMemory(torch.rand(1, 3, 64, 64))) is None


@pytest.mark.parametrize(
    ("norm", "upsample"),
    [("batch", "transposed"), ("instance", "transposed"), ("instance", "resize")],
)
def test_the_same_content_is_the_same_in_every_tile(norm, upsample):
    network = network_of("resnet_6", norm, upsample=upsample)
    scene = torch.rand(1, 3, 64, 64) * 2 - 1
    dark = torch.full((1, 3, 64, 64), -0.9)
    source = torch.cat([scene, dark, dark, scene], dim=-1)
    output = in_tiles(network, source, 64, 0)
    one, other = output[..., :64], output[..., -64:]
    assert torch.equal(one, other)
    assert one.std() > 0.01


def test_statistics_of_a_sample_are_near_those_of_all(monkeypatch):
    network = network_of("resnet_6", "batch")
    source = torch.rand(1, 3, 192, 192) * torch.linspace(0.5, 1, 192)
    everything = in_tiles(network, source, 32, 4)
    monkeypatch.setattr(module, "SAMPLE", 12)
    monkeypatch.setattr(module, "TOGETHER", 4)
    sampled = in_tiles(network, source, 32, 4)
    assert (sampled - everything).abs().mean() < 0.2 * everything.std()


def test_each_tile_is_passed_to_the_network_alone_and_counted():
    network, counted = Pointwise(), []
    tiles = Tiles(translator(network), 32)
    for _ in tiles.outputs(InMemory(torch.rand(1, 3, 100, 60)), lambda: counted.append(1)):
        pass
    assert len(counted) == len(Tiling.of((100, 60), 32, 4, 1)) == 4 * 2


class Drawing(nn.Module):
    """Adds noise that torch draws."""

    stride, draws = 1, True

    def forward(self, source):
        return source + torch.randn(source.shape)


def test_noise_is_that_of_the_seed_and_another_in_each_tile():
    source = torch.zeros(1, 3, 64, 96)
    one, again = (in_tiles(Drawing(), source, 32, 0) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one[..., :32, :32], one[..., :32, 32:64])
    assert not torch.equal(one[..., :32, :32], one[..., 32:, :32])


# --- memory ---


class Greedy(Pointwise):
    """Has no memory for what is wider than 40 px."""

    def forward(self, source):
        if source.shape[-1] > 40 and not source.is_meta:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(source)


def test_where_a_tile_does_not_fit_the_message_names_one_that_does():
    with pytest.raises(
        ImtransError, match=r"not enough memory for tiles of 64 px. use --tile 2048"
    ):
        in_tiles(Greedy(), torch.rand(1, 3, 100, 100), 64)
    assert in_tiles(Greedy(), torch.rand(1, 3, 100, 100), 32).shape[-1] == 100


def test_tiles_that_would_have_the_process_killed_are_refused_before(monkeypatch):
    network = network_of("resnet_6", "batch")
    monkeypatch.setattr("imtrans.translation.network.memory.free_memory", lambda device: 20_000_000)
    side = tile_that_fits(network, 3, CPU)
    assert side % 4 == 0
    assert 64 < side < 512
    with pytest.raises(ImtransError, match=rf"tiles of 512 px. use --tile {side}$"):
        in_tiles(network, torch.rand(1, 3, 1024, 1024), 512)
    monkeypatch.setattr("imtrans.translation.network.memory.free_memory", lambda device: 1000)
    with pytest.raises(ImtransError, match="use a smaller --tile"):
        in_tiles(network, torch.rand(1, 3, 1024, 1024), 512)
    assert free_memory(CPU) is None or free_memory(CPU) > 1000


# --- pictures ---


def test_a_tiled_translator_takes_what_a_translator_takes():
    whole, tiled = translator(Pointwise()), TiledTranslator(translator(Pointwise()), 32)
    pictures = [draw_picture(n, (90, 70)) for n in range(2)]
    assert [one.tobytes() for one in tiled(pictures)] == [one.tobytes() for one in whole(pictures)]
    array = torch.randint(0, 256, (3, 50, 60), dtype=torch.uint8)
    assert torch.equal(tiled(array), whole(array))


def test_label_colours_are_chosen_after_blending():
    classes = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    labels = {"classes": classes, "resample": "nearest"}

    class Same(nn.Module):
        stride = 1

        def forward(self, source):
            return source

    tiled = TiledTranslator(translator(Same(), source=labels, target=labels), 32)
    picture = torch.tensor(classes, dtype=torch.uint8)[torch.randint(0, 3, (70, 81))]
    assert torch.equal(tiled(picture.permute(2, 0, 1)), picture.permute(2, 0, 1))
