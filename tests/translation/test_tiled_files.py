"""Files in tiles: what is written, what is kept of the source, how much memory it takes, faults."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tifffile import TiffFile, imread, imwrite
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Derived, Direct
from imtrans.data.pixels.rows import CannotWrite
from imtrans.data.scale import TrainingScale
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.translation.folder import translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.tiles.files import translate_in_tiles
from imtrans.translation.tiles.tiled import TiledTranslator
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")
LARGE = Path(__file__).parents[1] / "given" / "large.py"
GEO = [
    (33550, "d", 3, (0.25, 0.25, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 389000.0, 5820000.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 25833), True),
]


class Negative(nn.Module):
    """Changes each pixel by itself."""

    def __init__(self, stride=1):
        super().__init__()
        self.stride = stride

    def forward(self, source):
        return -source


def tiled(encoding=None, tile=32, scale=None, **data):
    encoding = encoding or Direct(DataTable(root="x", **data))
    return TiledTranslator(Translator(Negative(), encoding, device=CPU, scale=scale), tile)


def photo(height=90, width=130, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tiff(path, values, **options):
    imwrite(path, values, photometric="rgb", metadata=None, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}])
def test_a_tiff_becomes_a_tiff_where_its_source_is(tmp_path, options):
    source = tiff(tmp_path / "a.tif", photo(), extratags=GEO, rowsperstrip=16, **options)
    called = []
    translator = tiled()
    assert translator.translate_file(source, tmp_path / "b.tif", lambda: called.append(1)) == []
    assert np.array_equal(imread(tmp_path / "b.tif"), 255 - photo())
    assert len(called) == translator.tile_count(source) == 4 * 5
    with TiffFile(tmp_path / "b.tif") as result:
        page = result.pages[0]
        assert {code: page.tags[code].value for code, *_ in GEO} == {c: v for c, _, _, v, _ in GEO}
        assert (page.compression == 1) == (not options)


@pytest.mark.parametrize("scale", [None, TrainingScale(64, factors=(1, 1))])
def test_a_tiff_has_as_many_pixels_as_it_likes_and_no_other_file_has(tmp_path, scale):
    few = DataTable(root="x", max_pixels=5000)
    translator = tiled(Direct(few), scale=scale)
    translator.translate_file(tiff(tmp_path / "a.tif", photo()), tmp_path / "b.tif")
    assert np.array_equal(imread(tmp_path / "b.tif"), 255 - photo())
    Image.fromarray(photo()).save(tmp_path / "a.png")
    with pytest.raises(ImtransError, match=r"a.png: too many pixels .* raise --max-pixels"):
        translator.translate_file(tmp_path / "a.png", tmp_path / "b.png")


def test_what_has_to_be_in_memory_says_why(tmp_path):
    few, source = DataTable(root="x", max_pixels=5000), tiff(tmp_path / "a.tif", photo())
    half = tiled(Direct(few), scale=TrainingScale(64, factors=(0.5, 0.5)))
    with pytest.raises(ImtransError, match=r"a.tif: 130 x 90 px are too many .* use --size native"):
        half.translate_file(source, tmp_path / "b.tif")
    with pytest.raises(ImtransError, match="use --output NAME.tif"):
        tiled(Direct(few)).translate_file(source, tmp_path / "b.png")
    photos = DataTable(root="x", layout="photos", derive="lab", max_pixels=5000)
    mask = Derived(catalog().derivations["mask"].build(), photos)
    with pytest.raises(ImtransError, match="do not become the network's one by one; or raise"):
        tiled(mask).translate_file(source, tmp_path / "b.tif")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("scale", [None, TrainingScale(48), TrainingScale(64, factors=(0.5, 0.7))])
def test_a_file_is_what_it_is_without_tiles(tmp_path, suffix, scale):
    source = tmp_path / f"a{suffix}"
    Image.fromarray(photo(70, 85)).save(source)
    translator = tiled(scale=scale)
    translator.translate_file(source, tmp_path / f"b{suffix}")
    whole = translator.translator(Image.open(source))
    result = np.asarray(Image.open(tmp_path / f"b{suffix}")).astype(int)
    assert np.abs(result - np.asarray(whole)).max() <= 1


@pytest.mark.parametrize("name", ["grayscale", "lab", "edges", "downscale"])
def test_derived_sources_are_as_without_tiles(tmp_path, name):
    photos = DataTable(root="x", layout="photos", derive="lab")
    encoding = Derived(catalog().derivations[name].build(), photos)
    source = tiff(tmp_path / "a.tif", photo(60, 70), extratags=GEO)

    class First(Negative):
        def forward(self, source):
            return source[:, :1].expand(-1, encoding.target_channels, -1, -1) * 0.5

    translator = Translator(First(), encoding, device=CPU)
    TiledTranslator(translator, 32).translate_file(source, tmp_path / "b.tif")
    whole = translator(Image.open(source))
    result = Image.open(tmp_path / "b.tif")
    assert np.abs(np.asarray(result).astype(int) - np.asarray(whole)).max() <= 1
    assert (33550 in result.tag_v2) == (name != "downscale")  # whose result is larger


@pytest.mark.parametrize("scale", [TrainingScale(48), TrainingScale(64, factors=(0.5, 0.7))])
def test_a_tiff_that_is_resized_keeps_its_tags_too(tmp_path, scale):
    source = tiff(tmp_path / "a.tif", photo(), extratags=GEO)
    tiled(scale=scale).translate_file(source, tmp_path / "b.tif")
    with TiffFile(tmp_path / "b.tif") as result:
        assert result.pages[0].tags[33550].value == GEO[0][3]


def test_16_bits_of_five_channels(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (70, 50, 5), dtype=np.uint16)
    imwrite(tmp_path / "a.tif", values, planarconfig="contig", photometric="minisblack")
    five = {"channels": 5, "dtype": "uint16"}
    tiled(source=five, target=five).translate_file(tmp_path / "a.tif", tmp_path / "b.tif")
    assert np.array_equal(imread(tmp_path / "b.tif"), 65535 - values)


def test_values_beyond_the_range_and_strange_sizes_are_remarked(tmp_path):
    floats = {"channels": 1, "dtype": "float32", "range": [0, 1]}
    imwrite(tmp_path / "a.tif", np.full((70, 50), 2, np.float32), metadata=None)
    scale = TrainingScale(256, factors=(1, 1), smallest=(256, 256), largest=(256, 256))
    translator = tiled(source=floats, target=floats, scale=scale)
    remarks = translator.translate_file(tmp_path / "a.tif", tmp_path / "b.tif")
    assert [remark.kind for remark in remarks] == ["values", "size"]
    assert remarks[0].text.startswith("100% of its values are beyond")


def damaged(tmp_path):
    path = tiff(tmp_path / "a.tif", photo(200, 90), compression="zlib", rowsperstrip=32)
    with TiffFile(path) as file:
        start, size = file.pages[0].dataoffsets[3], file.pages[0].databytecounts[3]
    content = bytearray(path.read_bytes())
    content[start + 2 : start + size] = bytes(size - 2)
    path.write_bytes(content)
    return path


def test_a_file_that_is_damaged_in_its_middle_leaves_no_half_result(tmp_path):
    (tmp_path / "b.tif").write_bytes(b"before")
    with pytest.raises(ImtransError, match=r"a.tif: damaged image") as caught:
        tiled().translate_file(damaged(tmp_path), tmp_path / "b.tif")
    assert not isinstance(caught.value, CannotWrite)
    assert (tmp_path / "b.tif").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def test_in_a_folder_what_is_damaged_is_named_and_the_rest_is_done(tmp_path):
    source = tmp_path / "input"
    source.mkdir()
    damaged(source)
    tiff(source / "b.tif", photo())
    Image.fromarray(photo(3, 4)).save(source / "c.png")
    translator = tiled()
    jobs = plan(source, tmp_path / "out", translator.translator.encoding)
    outcome = translate_in_tiles(translator, jobs, tmp_path / "out", lambda: None)
    assert outcome.done == 2
    (line,) = outcome.broken
    assert line.startswith(f"{source / 'a.tif'}: damaged image")


def test_a_result_that_cannot_be_written_ends_all(tmp_path):
    (tmp_path / "file").touch()
    for name, values in (("a.tif", photo()), ("a.png", photo())):
        Image.fromarray(values).save(tmp_path / name)
        with pytest.raises(CannotWrite, match="cannot be written: "):
            tiled().translate_file(tmp_path / name, tmp_path / "file" / name)


class Greedy(Negative):
    """Has no memory for what is wider than 50 px."""

    def forward(self, source):
        if source.shape[-1] > 50 and not source.is_meta:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(source)


def test_where_memory_runs_out_without_tiles_the_message_names_some(tmp_path):
    (tmp_path / "input").mkdir()
    Image.fromarray(photo(60, 70)).save(tmp_path / "input" / "a.png")
    translator = Translator(Greedy(), Direct(DataTable(root="x")), device=CPU)
    jobs = plan(tmp_path / "input", tmp_path / "out", translator.encoding)
    outcome = translate_files(translator, jobs, tmp_path / "out", lambda: None)
    assert outcome.broken[0].endswith("use --tile 2048, or scale it down")
    outcome = translate_in_tiles(TiledTranslator(translator, 32), jobs, None, lambda: None)
    assert outcome.done == 1


def test_what_does_not_fit_into_memory_at_all_can_be_read_in_parts(tmp_path, monkeypatch):
    Image.new("RGB", (3000, 2000)).save(tmp_path / "a.png")
    monkeypatch.setattr(
        "imtrans.translation.network.memory.free_memory", lambda device: 200_000_000
    )
    with pytest.raises(ImtransError, match=r"a.png: 3000 x 2000 px .* use --tile 1024, or"):
        Translator(Negative(), Direct(DataTable(root="x")), device=CPU)(tmp_path / "a.png")
    with pytest.raises(ImtransError, match=r"a.png: 3000 x 2000 px .* save it as TIFF and use"):
        tiled().translate_file(tmp_path / "a.png", tmp_path / "b.png")


SIDE = 6000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A TIFF of 108 MB, and the command that translates it into another file."""
    path = tmp_path_factory.mktemp("large") / "large.tif"
    parts = (np.full((256, 256, 3), n % 251, np.uint8) for n in range(24 * 24))
    shape = {"shape": (SIDE, SIDE, 3), "dtype": "uint8", "tile": (256, 256)}
    imwrite(path, parts, photometric="rgb", compression="zlib", **shape)
    return lambda place: [sys.executable, str(LARGE), str(path), str(place), "256"]


@pytest.mark.thorough
def test_memory_holds_a_line_of_tiles_and_not_the_picture(large, tmp_path):
    command = large(tmp_path / "result.tif")
    taken = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # The picture and its result are 108 MB each, and 432 MB as floats.
    assert float(taken) < 300
    with TiffFile(tmp_path / "result.tif") as result:
        assert result.pages[0].shape == (SIDE, SIDE, 3)


@pytest.mark.thorough
def test_a_kill_leaves_no_half_result_and_the_next_is_whole(large, tmp_path):
    place, partial = tmp_path / "result.tif", tmp_path / ".result.tif.partial"
    with subprocess.Popen(large(place), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(0.01)
        process.kill()
    assert partial.exists()
    assert not place.exists()
    subprocess.run(large(place), capture_output=True, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["result.tif"]


# --- the command ---


def test_the_command_translates_in_tiles(imtrans, finished_run, tmp_path):
    finished_run(tmp_path / "runs" / "tiny")
    source = tiff(tmp_path / "a.tif", photo(), extratags=GEO)
    for _ in range(2):  # the second replaces the result of the first
        code, out, err = imtrans("translate", "--recipe", "tiny", source, "--tile", 50)
    assert (code, out) == (0, f"{tmp_path / 'a-tiny.tif'}\n")
    assert "note: the network takes multiples of 4 px; tiles are of 52 px" in err
    with TiffFile(tmp_path / "a-tiny.tif") as result:
        assert result.pages[0].shape == (90, 130, 3)
        assert 33550 in result.pages[0].tags


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--overlap", 8), "--overlap is that of tiles; say how large they are with --tile"),
        (("--tile", 0), "tiles of 0 px; use --tile 512"),
        (("--tile", 64, "--overlap", 32), "an overlap of 32 px in tiles of 64 px; use --overlap 8"),
    ],
)
def test_a_mistake_is_one_line(imtrans, finished_run, tmp_path, options, told):
    finished_run(tmp_path / "runs" / "tiny")
    source = tiff(tmp_path / "a.tif", photo())
    code, _, err = imtrans("translate", "--recipe", "tiny", source, *options)
    assert code == 2
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1
