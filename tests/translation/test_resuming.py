"""A translation continues where it stopped: what is whole stays, all else is made again."""

import json
import os
import shutil
import sys
import time

import numpy as np
import pytest
import torch
from drawn import draw_picture
from PIL import Image
from translated_trees import Inverting, Sampling, aged, counting, hidden, into, pictures, shown

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Derived
from imtrans.data.pixels.encode import FileFormat, encode
from imtrans.data.pixels.formats.complete import is_complete
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.translation.folder import Way
from imtrans.translation.resuming import RECORD

NAMES = [f"{number}.png" for number in range(6)]
ONE_BY_ONE = {"batch_size": 1, "workers": 1}


@pytest.fixture
def folders(tmp_path):
    return pictures(tmp_path / "in", *NAMES), tmp_path / "out"


def size_of(path):
    with Image.open(path) as image:
        return image.size


def test_only_what_is_missing_is_computed(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    before = shown(output)
    (output / "2.png").unlink()
    using = counting()
    outcome = into(using, inputs, output)
    assert (outcome.done, outcome.kept, using.module.count) == (1, 5, 1)
    assert shown(output) == before
    pictures(inputs, "sub/new.png")
    outcome = into(using, inputs, output)
    assert (outcome.done, outcome.kept, using.module.count) == (1, 6, 2)


@pytest.mark.parametrize("left", ["empty", "cut", "zeros", "half of it zeros"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "npy"])
def test_what_a_power_cut_left_is_written_again(folders, suffix, left, capfd):
    inputs, output = folders
    if left.startswith("half") and suffix in ("bmp", "tif", "npy"):
        pytest.skip("pixels that are not compressed may be zeros")
    into(counting(), inputs, output, file_format=FileFormat(f".{suffix}"))
    before = shown(output)
    content = before[f"3.{suffix}"]
    (output / f"3.{suffix}").write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "zeros": bytes(len(content)),
            "half of it zeros": content[: len(content) // 2] + bytes(len(content) // 2),
        }[left]
    )
    outcome = into(counting(), inputs, output, file_format=FileFormat(f".{suffix}"))
    assert (outcome.done, outcome.kept) == (1, 5)
    assert shown(output) == before
    assert capfd.readouterr().err == ""


KINDS = [
    *((suffix, dtype, 3) for suffix in ("tif", "npy") for dtype in ("uint8", "uint16", "float32")),
    *((suffix, "uint8", 3) for suffix in ("png", "jpg", "webp", "bmp")),
    *((suffix, "uint8", 1) for suffix in ("png", "jpg", "bmp", "tif")),
    ("png", "uint16", 1),
    ("png", "uint16", 3),
    ("tif", "uint16", 1),
    ("tif", "uint16", 5),
    ("tif", "float32", 5),
    ("tif", "uint8", 7),
    ("npy", "float32", 9),
    ("webp", "uint8", 4),
]


@pytest.mark.parametrize(("suffix", "dtype", "channels"), KINDS)
def test_a_file_cut_anywhere_is_not_complete(tmp_path, capfd, suffix, dtype, channels):
    path = tmp_path / f"whole.{suffix}"
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(1, 256, (channels, 23, 31), generator=random)
    stored = {"uint8": torch.uint8, "uint16": torch.int32, "float32": torch.float32}[dtype]
    encode(pixels.to(stored), path, dtype)
    assert is_complete(path)
    content, cut = path.read_bytes(), tmp_path / "cut"
    near = {*range(64), *range(len(content) - 64, len(content))}
    for length in sorted({*near, *range(0, len(content), 97)}):
        cut.write_bytes(content[:length])
        assert not is_complete(cut), length
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "npy"])
@pytest.mark.parametrize("value", [0, 255])
def test_results_of_one_colour_are_complete(tmp_path, suffix, value):
    path = tmp_path / f"flat.{suffix}"
    encode(torch.full((3, 64, 64), value, dtype=torch.uint8), path, "uint8")
    assert is_complete(path)


def test_an_input_that_changed_later_is_translated_again(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    draw_picture(9, (20, 20)).save(inputs / "1.png")
    assert into(counting(), inputs, output).done == 1
    assert size_of(output / "1.png") == (20, 20)
    assert into(counting(), inputs, output).done == 0


def test_an_input_whose_time_is_yet_to_come_is_not_translated_for_ever(folders):
    inputs, output = folders
    os.utime(inputs / "1.png", (time.time() + 9000, time.time() + 9000))
    assert into(counting(), inputs, output).done == 6
    assert into(counting(), inputs, output).kept == 6


def test_a_copy_of_a_folder_of_results_continues_though_all_its_times_are_new(folders, tmp_path):
    inputs, output = folders
    into(counting(), inputs, output)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sorted(output.iterdir(), key=lambda path: path.name != "5.png"):
        shutil.copyfile(path, copy / path.name)  # the record after a result
        time.sleep(0.01)
    assert into(counting(), inputs, copy).kept == 6


def test_another_translation_replaces_nothing_unless_told_to(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    before = shown(output), (output / RECORD).read_bytes()
    for other, way in (
        (counting(made_from="weights 2"), Way(**ONE_BY_ONE)),
        (counting(), Way(quality=30, **ONE_BY_ONE)),
    ):
        differs = "quality" if way.quality else "weights"
        with pytest.raises(ImtransError) as error:
            into(other, inputs, output, way)
        assert f"holds results of another translation (with other {differs}): " in str(error.value)
        assert "add --overwrite to replace them" in str(error.value)
        assert (shown(output), (output / RECORD).read_bytes()) == before
    other = counting(made_from="weights 2")
    assert into(other, inputs, output, Way(overwrite=True, **ONE_BY_ONE)).done == 6
    assert into(other, inputs, output).kept == 6


def test_an_overwriting_that_was_stopped_continues_without_saying_so_again(folders):
    inputs, output = folders
    into(counting(), inputs, output)

    class Stopping(Sampling):
        def forward(self, source):
            if self.count == 2:
                raise KeyboardInterrupt
            return super().forward(source)

    other = counting(Stopping(), made_from="weights 2")
    with pytest.raises(KeyboardInterrupt):
        into(other, inputs, output, Way(overwrite=True, **ONE_BY_ONE))
    assert len(shown(output)) == 6
    whole = counting(Sampling(), made_from="weights 2")
    outcome = into(whole, inputs, output)
    # What was translated already is written then, or not begun.
    assert outcome.kept in (0, 1, 2)
    assert outcome.kept + outcome.done == 6
    into(counting(Sampling(), made_from="weights 2"), inputs, output.with_name("fresh"))
    assert shown(output) == shown(output.with_name("fresh"))
    with pytest.raises(ImtransError, match="other weights"):
        into(counting(), inputs, output)


@pytest.mark.parametrize(
    "left",
    [
        None,
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe\0",
        b'{"made from": 3, "replaces": 1}',
        b"nul",
        b"[" * 10**5,
    ],
)
def test_a_folder_without_a_record_or_with_a_damaged_one_is_not_replaced(folders, left):
    """As of an older imtrans, which wrote none."""
    inputs, output = folders
    into(counting(), inputs, output)
    (output / RECORD).unlink()
    if left is not None:
        (output / RECORD).write_bytes(left)
    before = shown(output)
    with pytest.raises(ImtransError, match=r"out: holds results of .*0\.png, .* add --overwrite"):
        into(counting(), inputs, output)
    assert shown(output) == before
    assert into(counting(), inputs, output, Way(overwrite=True, **ONE_BY_ONE)).done == 6
    assert into(counting(), inputs, output).kept == 6


def test_a_file_of_the_users_that_came_later_into_the_folder_stays(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    pictures(inputs, "mine.png")
    draw_picture(7, (9, 9)).save(output / "mine.png")
    aged(output / "mine.png", 1000)
    before = shown(output)
    with pytest.raises(ImtransError, match=r"mine\.png"):
        into(counting(), inputs, output)
    assert shown(output) == before


def test_samples_are_added_to_those_that_are_there(folders):
    inputs, output = folders
    first = into(counting(Sampling()), inputs, output, Way(seeds=range(3, 5), **ONE_BY_ONE))
    before = shown(output)
    assert first.done == 6
    assert {name.split("/")[0] for name in before} == {"seed-3", "seed-4"}
    using = counting(Sampling())
    again = into(using, inputs, output, Way(seeds=range(3, 6), **ONE_BY_ONE))
    assert (again.done, again.kept) == (6, 0)
    assert before.items() <= shown(output).items()
    assert len(shown(output)) == 18


def test_samples_of_dropout_may_begin_at_another_seed(folders):
    inputs, output = folders
    for first in (0, 1):
        using = counting(Sampling())
        using.made_from["dropout seed"] = str(first)
        into(using, inputs, output, Way(seeds=range(first, first + 2), **ONE_BY_ONE))
    assert len(shown(output)) == 18


def test_a_result_is_never_taken_for_that_of_another_input(tmp_path):
    """a.jpg alone becomes a.png; beside an a.png it is a.jpg.png."""
    inputs, output = pictures(tmp_path / "in", "a.jpg"), tmp_path / "out"
    into(counting(), inputs, output)
    draw_picture(5, (12, 9)).save(inputs / "a.png")
    aged(inputs / "a.png", 1000)  # older than the result that has its name
    assert into(counting(), inputs, output).done == 2
    sizes = {path.name: size_of(path) for path in output.glob("*.png")}
    assert sizes == {"a.png": (12, 9), "a.jpg.png": (40, 32)}
    assert into(counting(), inputs, output).kept == 2
    (inputs / "a.png").unlink()
    assert into(counting(), inputs, output).done == 1
    assert size_of(output / "a.png") == (40, 32)
    assert into(counting(), inputs, output).kept == 1


def test_a_mask_that_changed_later_counts_like_its_picture(tmp_path):
    class Colours(Inverting):
        def forward(self, source):
            return super().forward(source[:, :3])

    inputs, output = pictures(tmp_path / "in", "a.jpg", "a.mask.png"), tmp_path / "out"
    data = DataTable(root="x", layout="photos", derive="lab")
    using = counting(Colours())
    using.encoding = Derived(catalog().derivations["mask"].build(), data)
    Image.new("L", (40, 32), 255).save(inputs / "a.mask.png")
    for done in (1, 0):
        assert into(using, inputs, output).done == done
    Image.new("L", (40, 32), 0).save(inputs / "a.mask.png")
    for done in (1, 0):
        assert into(using, inputs, output).done == done


def test_a_broken_input_is_named_each_time(folders):
    inputs, output = folders
    (inputs / "3.png").write_bytes(b"no image")
    for done, kept in ((5, 0), (0, 5)):
        outcome = into(counting(), inputs, output)
        assert (outcome.done, outcome.kept, len(outcome.broken)) == (done, kept, 1)


def test_a_damaged_16_bit_tiff_among_the_results_says_nothing(tmp_path, capfd):
    deep = {"dtype": "uint16", "channels": 3}
    inputs, output = tmp_path / "in", tmp_path / "out"
    for number in range(2):
        values = np.random.default_rng(number).integers(0, 65536, (3, 20, 30))
        encode(torch.tensor(values, dtype=torch.int32), inputs / f"{number}.tif", "uint16")
    into(counting(source=deep, target=deep), inputs, output)
    before = shown(output)
    (output / "1.tif").write_bytes(before["1.tif"][:-9])
    assert into(counting(source=deep, target=deep), inputs, output).done == 1
    assert shown(output) == before
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_a_pipe_in_the_place_of_a_result_is_not_waited_for(folders):
    inputs, output = folders
    into(counting(), inputs, output)
    (output / "0.png").unlink()
    os.mkfifo(output / "0.png")
    assert into(counting(), inputs, output).done == 1
    assert hidden(output) == []


# The command


@pytest.fixture
def model(finished_run, tmp_path):
    finished_run(tmp_path / "runs" / "tiny")
    pictures(tmp_path / "in", "0.png", "1.png", "2.jpg", size=(64, 64))
    return ("translate", "--recipe", "tiny")


def test_the_command_says_what_is_there_and_what_differs(imtrans, model, tmp_path):
    model = (*model, "--precision", "fp32")
    code, out, err = imtrans(*model, "in", "--output", "out")
    assert (code, err) == (0, "")
    assert out.startswith("3 images in out (")
    before = shown(tmp_path / "out")
    code, out, err = imtrans(*model, "in", "--output", "out")
    assert (code, out, err) == (0, "0 images in out, 3 there already\n", "")
    checkpoint = tmp_path / "runs/tiny/checkpoints/step_00000008"
    for option, differs in (
        (("--size", "32"), "size"),
        (("--precision", "bf16"), "precision"),
        (("--statistics", "running"), "statistics"),
        (("--checkpoint", checkpoint), "weights"),
    ):
        code, out, err = imtrans(*model, *option, "in", "--output", "out")
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert f"out: holds results of another translation (with other {differs}): " in err
        assert shown(tmp_path / "out") == before
    (tmp_path / "in" / "1.png").write_bytes(b"")
    code, out, err = imtrans(*model, "in", "--output", "out", "--overwrite", "--size", "32")
    assert (code, err) == (1, "skipped: in/1.png: not an image, or one that cannot be read\n")
    assert out.startswith("2 images in out, 1 skipped (")
    assert json.loads((tmp_path / "out" / RECORD).read_text())["made from"]["size"] == "32"
