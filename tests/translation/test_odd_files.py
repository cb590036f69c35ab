"""What is odd in the folders: links, pipes, long names, deep trees; each costs itself at most."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn import draw_picture
from PIL import Image
from translated_trees import aged, counting, emptied, hidden, into, pictures, shown

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.formats.complete import is_complete
from imtrans.translation.folder import Way
from imtrans.translation.jobs import plan
from imtrans.translation.tiles.files import translate_in_tiles
from imtrans.translation.tiles.tiled import TiledTranslator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files as Linux has them")


def test_what_is_no_file_is_skipped(tmp_path):
    inputs = pictures(tmp_path / "in", "0.png")
    os.mkfifo(inputs / "pipe.png")
    (inputs / "zero.png").symlink_to("/dev/zero")
    (inputs / "nothing.png").symlink_to("nowhere")
    (inputs / "folder.png").mkdir()
    server = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(inputs)  # as names of sockets are short
    server.bind("socket.png")
    os.chdir(before)
    outcome = into(counting(), inputs, tmp_path / "out")
    server.close()
    assert outcome.done == 1
    assert [line.split(": ")[0].rsplit("/")[-1] for line in outcome.broken] == [
        "nothing.png",
        "pipe.png",
        "socket.png",
        "zero.png",
    ]
    assert all("\n" not in line for line in outcome.broken)


def test_a_folder_in_the_place_of_a_result_costs_that_one(tmp_path):
    inputs, output = pictures(tmp_path / "in", "0.png", "1.png", "sub/2.png"), tmp_path / "out"
    into(counting(), inputs, output)
    emptied(output)
    pictures(output, "0.png/mine.png")
    draw_picture(1, (9, 9)).save(tmp_path / "out/sub", "png")
    (output / ".imtrans").touch()
    outcome = into(counting(), inputs, output, Way(overwrite=True))
    assert outcome.done == 1
    assert [line.removeprefix(str(output)) for line in outcome.broken] == [
        "/0.png: cannot be written: is a directory",
        "/sub/2.png: cannot be written: not a directory",
    ]
    assert sorted(shown(output)) == ["0.png/mine.png", "1.png", "sub"]
    assert hidden(output) == []


def test_names_as_long_as_they_may_be(tmp_path):
    names = ("ä" * 125 + ".png", "b" * 251 + ".jpg", "c" * 251 + ".png", "c" * 251 + ".jpg")
    outcome = into(counting(), pictures(tmp_path / "in", *names), tmp_path / "out")
    (line,) = outcome.broken  # beside a .png the .jpg becomes .jpg.png, which is longer
    assert line.endswith("cannot be written: file name too long")
    assert sorted(shown(tmp_path / "out")) == [names[1][:-3] + "png", names[2], names[0]]
    assert hidden(tmp_path / "out") == []


@pytest.fixture
def emptied_folder(tmp_path):
    """A folder whose content is removed in any case: Python's own removal recurses."""
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


@pytest.mark.parametrize("depth", [40, 1200])
def test_trees_of_any_depth(emptied_folder, depth):
    inputs = pictures(emptied_folder / "in", "0.png")
    deep = str(inputs)
    for _ in range(depth):
        deep += "/d"
        os.mkdir(deep)
    os.link(inputs / "0.png", f"{deep}/1.png")
    assert into(counting(), inputs, emptied_folder / "out").done == 2
    assert into(counting(), inputs, emptied_folder / "out").kept == 2
    assert os.path.isfile(str(emptied_folder / "out") + "/d" * depth + "/1.png")


def test_a_path_that_is_too_long_for_the_results_costs_that_one(tmp_path):
    inputs = pictures(tmp_path / "in", "0.png")
    deep, step = str(inputs), "/" + "d" * 200
    while len(deep) < 4000:
        deep += step[: max(4060 - len(deep), 2)]
        os.mkdir(deep)
    os.link(inputs / "0.png", f"{deep}/1.png")
    output = tmp_path / ("out" * 60)
    outcome = into(counting(), inputs, output)
    assert outcome.done == 1
    assert outcome.broken[0].endswith("cannot be written: file name too long")


def test_results_inside_the_input_are_no_inputs_and_replace_none(tmp_path):
    inputs = pictures(tmp_path / "in", "0.png", "in/0.png")
    output = inputs / "out"
    for done in (2, 0):
        assert into(counting(), inputs, output).done == done
    # Around it: what would be written as in/0.png is an input.
    (tmp_path / ".imtrans").touch()
    before = shown(inputs)
    with pytest.raises(ImtransError, match=r"would replace the inputs in/0\.png\. choose another"):
        into(counting(), inputs, tmp_path, Way(overwrite=True))
    assert shown(inputs) == before


def test_a_folder_of_results_that_leads_back_to_the_inputs_is_refused(tmp_path):
    inputs, output = pictures(tmp_path / "in", "0.png", "sub/1.png"), tmp_path / "out"
    into(counting(), inputs, output)
    emptied(output / "sub")
    (output / "sub").symlink_to(inputs / "sub")
    before = shown(inputs)
    with pytest.raises(ImtransError, match=r"would replace the inputs sub/1\.png"):
        into(counting(), inputs, output, Way(overwrite=True))
    assert shown(inputs) == before


def test_results_that_may_not_be_written_are_replaced_on_demand_alone(tmp_path):
    inputs, output = pictures(tmp_path / "in", "0.png"), tmp_path / "out"
    into(counting(), inputs, output)
    (output / "0.png").chmod(0o444)
    assert into(counting(), inputs, output).kept == 1
    assert into(counting(), inputs, output, Way(overwrite=True)).done == 1


def test_a_data_set_that_was_fetched_is_no_folder_of_results(tmp_path):
    inputs = pictures(tmp_path / "in", "facades/0.png", "results/1.png")
    (inputs / "facades" / ".imtrans").write_text("facades")
    (inputs / "results" / ".imtrans").touch()
    into(counting(), inputs, tmp_path / "out")
    assert sorted(shown(tmp_path / "out")) == ["facades/0.png"]


def test_a_reader_that_runs_out_of_memory_costs_one_image(tmp_path, monkeypatch):
    inputs, using = pictures(tmp_path / "in", "0.png", "1.png"), counting()
    given = using.encoding.given

    def hungry(picture, *rest):
        if picture.path.endswith("0.png"):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")
        return given(picture, *rest)

    monkeypatch.setattr(using.encoding, "given", hungry)
    outcome = into(using, inputs, tmp_path / "out")
    assert outcome.done == 1
    assert outcome.broken == [f"{inputs / '0.png'}: not enough memory to read it"]


def test_five_thousand_files_are_listed_at_once(tmp_path):
    inputs = pictures(tmp_path / "in", "0.jpg", size=(8, 8))
    for number in range(1, 5000):
        os.link(inputs / "0.jpg", inputs / f"{number}.jpg")
    begun = time.process_time()
    into(counting(), inputs, tmp_path / "out", names=["0.jpg", "7.jpg"])
    assert time.process_time() - begun < 2


def test_what_is_left_of_a_kill_is_not_taken_for_an_image(tmp_path):
    inputs = pictures(tmp_path / "in", "0.png")
    Image.new("RGB", (8, 8)).save(inputs / ".1.png.partial", "png")
    Image.new("RGB", (8, 8)).save(inputs / ".2.png")
    aged(inputs / "0.png", 5)
    assert into(counting(), inputs, tmp_path / "out").done == 1


def test_tiles_keep_to_the_same(tmp_path):
    """A folder in the place of a result, and a name that is too long with what is put before it."""
    inputs, output = pictures(tmp_path / "in", "0.tif", "1.tif", "b" * 251 + ".tif"), tmp_path / "o"
    using, way = counting(), Way()
    tiled = TiledTranslator(using, 32, 8)
    (output / "0.tif").mkdir(parents=True)
    (output / ".imtrans").touch()
    jobs = plan(inputs, output, using.encoding)
    with pytest.raises(ImtransError, match="holds results of another translation"):
        translate_in_tiles(tiled, jobs, output, lambda: None, way)
    outcome = translate_in_tiles(tiled, jobs, output, lambda: None, Way(overwrite=True))
    (line,) = outcome.broken
    assert line.endswith("0.tif: cannot be written: is a directory")
    assert (outcome.done, hidden(output)) == (2, [])
    (output / "0.tif").rmdir()
    assert translate_in_tiles(tiled, jobs, output, lambda: None, way).kept == 2
    content = (output / "1.tif").read_bytes()
    for length in range(0, len(content), 101):
        (output / "1.tif").write_bytes(content[:length])
        assert not is_complete(output / "1.tif")
