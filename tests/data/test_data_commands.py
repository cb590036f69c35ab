"""`imtrans data`: looking at pairs, and measuring how they are loaded."""

import re
import sys
from pathlib import Path

import pytest
from loading import Loading
from PIL import Image

from imtrans.data.cache import store


def test_show_writes_what_the_network_sees(imtrans, tiny_file, tmp_path):
    code, out, _ = imtrans("data", "show", tiny_file)
    assert (code, out) == (0, "6 of 6 pairs, source | target: tiny-pairs.png\n")
    with Image.open(tmp_path / "tiny-pairs.png") as sheet:
        assert sheet.size == (4 * 64 + 3 * 4, 3 * 64 + 2 * 4)
        # The right half of each pair is the left one inverted.
        source, target = (sheet.crop((x, 0, x + 64, 64)).getpixel((40, 5)) for x in (0, 68))
    assert all(abs(a + b - 255) <= 2 for a, b in zip(source, target, strict=True))


def test_show_shows_validation_pairs_whole(imtrans, tiny_file, tmp_path):
    code, out, _ = imtrans(
        *("data", "show", tiny_file, "--validation", "--count", 2, "--output", "sub/sheet.png")
    )
    assert (code, out) == (0, "2 of 3 pairs, source | target: sub/sheet.png\n")
    assert (tmp_path / "sub" / "sheet.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--output", "sheet.jpg"], "'sheet.jpg': the picture is a PNG; name it so"),
        (["--validation", "--set", "data.validation=empty"], "empty"),
        (["--set", "data.root=nowhere"], "nowhere: no such folder"),
        (["--set", "data.root=datasets/night2day"], "them with `imtrans data fetch night2day`"),
    ],
)
def test_show_tells_what_cannot_be_shown(imtrans, tiny_file, arguments, told):
    code, out, error = imtrans("data", "show", tiny_file, *arguments)
    assert (code, out) == (2, "")
    assert told in error


@pytest.mark.parametrize("cache", ["auto", "false"])
def test_bench_measures_each_stage_and_says_what_a_step_needs(imtrans, tiny_file, cache):
    code, out, _ = imtrans(
        *("data", "bench", tiny_file, "--seconds", 0.02, "--step", 50),
        *("--set", f"data.cache={cache}", "--set", "train.batch_size=4"),
    )
    assert code == 0
    rates = re.findall(r"^ *([\d,]+) pairs/s  (one core|\d+ workers)\s+(.*)$", out, re.MULTILINE)
    assert all(int(rate.replace(",", "")) > 0 for rate, _, _ in rates)
    cached = ["a sample, from the cache"] if cache == "auto" else []
    assert [name for _, _, name in rates] == [
        *("read and decode", "... and resize", "a sample, from files", *cached),
        "batches of 4, as training gets them",
    ]
    assert re.search(r"a step of 50 ms, batch 4: 80 pairs/s, which is [\d.e-]+ cores", out)


def test_the_command_lists_and_clears(imtrans, tiny_file):
    cache = Loading(tiny_file, "data.root=pairs").obtain()
    cache._held.close()
    code, out, _ = imtrans("data", "cache")
    assert code == 0
    (row,) = [line.split() for line in out.splitlines() if line.startswith(cache.folder.name)]
    assert row[1:3] == ["187", "kB"]
    assert row[-1] == str(tiny_file.parent / "pairs")  # from wherever it is listed
    assert "6 at 72 px" in out
    assert imtrans("data", "cache", "--clear", "abc")[0] == 2
    assert "removed 1 cache, 187 kB" in imtrans("data", "cache", "--clear")[1]
    assert not cache.folder.exists()


def test_the_folder_of_caches_can_be_named(monkeypatch, tmp_path):
    monkeypatch.delenv("IMTRANS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert store.home() == tmp_path / "imtrans"
    monkeypatch.setenv("IMTRANS_CACHE", "elsewhere")
    assert store.home() == Path("elsewhere")
