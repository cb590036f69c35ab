"""Seams: with a trained generator no border of a tile can be found in the output."""

import pytest
import torch
from tiny_recipe import write_tiny
from torch.nn.functional import avg_pool2d, interpolate

import imtrans as public
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.translation.tiles.tiles import InMemory, Tiles

SIZE, TILE, OVERLAP = (192, 320), 64, 16


@pytest.fixture(
    scope="module", params=["batch", pytest.param("instance", marks=pytest.mark.thorough)]
)
def generator(request, tmp_path_factory):
    """A generator that has learned to invert colours, in a hundred steps."""
    folder = tmp_path_factory.mktemp("seams")
    settings = [
        f"generator.norm={request.param}",
        "train.epochs=16",
        "train.learning_rate=0.001",
        *(f"train.{event}_every=1000" for event in ("log", "sample", "checkpoint")),
    ]
    recipe = recipes.read(write_tiny(folder), settings, catalog())
    fit(Task(recipe, catalog()), folder / "run")
    return public.load(folder / "run", size="native", precision="fp32", device="cpu")


def texture(seed):
    """Fine and coarse noise: every column and every row is like any other."""
    draw = torch.Generator().manual_seed(seed)
    fine = avg_pool2d(torch.randn(1, 3, *SIZE, generator=draw), 5, 1, 2)
    coarse = torch.randn(1, 3, 4, 6, generator=draw)
    coarse = interpolate(coarse, SIZE, mode="bicubic")
    return (fine / fine.std() * 0.15 + coarse * 0.45).clamp(-1, 1)


TEXTURES = [texture(seed) for seed in range(4)]


def in_tiles(generator, overlap=OVERLAP, *, own=False):
    """The outputs for all textures; `own`: each tile has statistics of its own."""
    tiles = Tiles(generator, TILE, overlap)
    if own:
        tiles.statistics = lambda seen: None
    return [torch.cat([*map(torch.clone, tiles.outputs(InMemory(one)))], -2) for one in TEXTURES]


def across_borders(generator, outputs, overlap=OVERLAP):
    """The mean gradient across the borders of tiles, and the interior's at the same places in the
    network's own grid, whose gradients differ from each other."""
    tiling = Tiles(generator, TILE, overlap).tiling(SIZE)
    borders, interior = [], []
    for dim, axis in ((-2, tiling.down), (-1, tiling.across)):
        ends = [start + axis.length for start in axis.starts]
        at = {*axis.starts[1:], *ends[:-1]}
        for output in outputs:
            gradients = output.diff(dim=dim).abs().transpose(dim, -1).mean(dim=(0, 1, 2))
            for place in range(8, axis.size - 8, 4):
                (borders if place in at else interior).append(gradients[place - 1])
    return torch.stack(borders).mean() / torch.stack(interior).mean()


@pytest.mark.thorough
def test_gradients_across_borders_are_the_interiors(generator):
    assert across_borders(generator, in_tiles(generator)) == pytest.approx(1, abs=0.1)


def test_the_output_is_that_of_the_whole(generator):
    whole = torch.cat([generator.output(one) for one in TEXTURES])
    apart = (torch.cat(in_tiles(generator)) - whole).abs().mean()
    own = (torch.cat(in_tiles(generator, own=True)) - whole).abs().mean()
    assert apart < 0.05 * whole.std()
    assert own > 3 * apart  # without statistics held constant it is another picture


def test_without_overlap_or_with_statistics_of_their_own_there_are_seams(generator):
    assert across_borders(generator, in_tiles(generator, 0), 0) > 1.3
    assert across_borders(generator, in_tiles(generator, 0, own=True), 0) > 3
