"""The cache of decoded pairs: the same samples as from files, whatever happens to it."""

import json
import os
import pickle
import resource
import shutil
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import write_pairs
from forking import Child
from loading import Loading
from pixel_files import png16

from imtrans.api.errors import ImtransError
from imtrans.data.cache import store
from imtrans.data.cache.cache import Cache, Writer
from imtrans.data.cache.obtain import obtain
from imtrans.data.loader import Batches
from imtrans.host.locks import locked
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.weights import read_tensors
from imtrans.task import Task


def build(recipe_file, *overrides, largest=None):
    """Build the cache of a recipe, in a process of its own; no file larger than `largest` bytes."""
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails instead
    task = Task(recipes.read(recipe_file, overrides, catalog()), catalog())
    obtain(task.sampler, task.pairs, passes=9, say=print)


@pytest.fixture
def loading(tiny_file):
    return Loading(tiny_file)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["data.direction=BtoA", "data.flip=false"],
        ["data.resize=shorter", "data.load_size=70"],
        ["data.target.resample=nearest"],
        ["data.layout=photos", "data.derive=lab"],
        ["data.layout=photos", "data.derive=mask"],
        ["data.source.channels=1"],
        ["augment=[{name='rot90'},{name='noise',sigma=0.1}]"],
    ],
    ids=str,
)
def test_samples_from_the_cache_are_those_from_files(tiny_file, overrides):
    Loading(tiny_file, *overrides).check()


def test_pixels_of_sixteen_bits_and_floats_survive(tiny_file, pairs):
    for split in ("trainA", "trainB"):
        (pairs / split).mkdir()
    for number in range(5):
        grey = np.arange(90 * 80, dtype=np.uint16).reshape(90, 80) * 9 + number
        (pairs / "trainA" / f"{number}.png").write_bytes(png16(grey[..., None], 0))
        np.save(pairs / "trainB" / f"{number}.npy", grey.astype(np.float32) / 3)
    cache = Loading(
        tiny_file,
        *("data.layout=folders", "data.source.channels=1", "data.source.dtype=uint16"),
        *("data.target={channels=1,dtype='float32',range=[0.0,30000.0]}",),
    ).check()
    assert (cache.about.source.dtype, cache.about.target.dtype) == ("uint16", "float32")


def test_pairs_of_many_sizes_lie_in_one_cache(tiny_file, pairs):
    for number, size in enumerate([(100, 90), (64, 200), (300, 81)]):
        write_pairs(pairs / "train" / str(number), 2, size)
    loading = Loading(tiny_file, "data.resize=shorter")
    cache = loading.check()
    assert len({cache[index].target.width for index in range(len(cache))}) > 1


def test_a_derived_source_is_not_stored(tiny_file):
    cache = Loading(tiny_file, "data.layout=photos", "data.derive=grayscale").obtain()
    assert cache.about.source is None
    assert cache.about.bytes == 6 * 3 * 72 * 72


def test_the_cache_is_built_once(loading):
    loading.check()
    built = len([line for line in loading.said if line.startswith("cached in")])
    loading.check()
    assert built == 1
    assert loading.said[-1].startswith("reading 6 pairs from their cache")


def test_workers_read_the_cache_each_for_itself(loading):
    cache = loading.check()
    sampler = loading.sampler().reading(pickle.loads(pickle.dumps(cache)))
    sampler.reader = None  # whoever opened a file would fail
    walk = Batches(loading.pairs, sampler, loading.order(2), workers=2, pin=False).start(1, 0)
    here = Batches(loading.pairs, loading.sampler(), loading.order(2), workers=0, pin=False).start(
        1, 0
    )
    for _ in range(7):
        assert all(torch.equal(a, b) for a, b in zip(next(walk), next(here), strict=True))


def test_few_epochs_do_not_pay(loading):
    assert loading.obtain(passes=2) is None
    loading.check()
    assert loading.obtain(passes=1) is not None  # it is there already


def test_a_recipe_may_want_none(tiny_file):
    assert Loading(tiny_file, "data.cache=false").obtain() is None
    assert store.entries() == []


@pytest.mark.parametrize("change", ["content", "same length and time", "touched", "swapped"])
def test_a_file_changed_after_caching_makes_another_cache(loading, pairs, change):
    before = loading.check()
    path, other = pairs / "train" / "001.png", pairs / "train" / "002.png"
    found = path.stat()
    if change == "content":
        shutil.copy(other, path)
    elif change == "same length and time":
        # The lowest bits of the file's end are its checksum; nobody checks that of a PNG's end.
        content = bytearray(path.read_bytes())
        content[-2] ^= 1
        path.write_bytes(bytes(content))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    elif change == "touched":
        os.utime(path)
    else:
        path.rename(path.with_suffix(".old"))
        other.rename(path)
        path.with_suffix(".old").rename(other)
    after = loading.check()
    assert after.folder != before.folder


@pytest.mark.parametrize(
    "override",
    [
        *("data.load_size=80", "data.resize=shorter", "data.direction=BtoA", "data.draft=true"),
        *("data.source.resample=bilinear", "data.target.alpha=white"),
    ],
)
def test_other_settings_make_another_cache(tiny_file, loading, override):
    assert Loading(tiny_file, override).check().folder != loading.check().folder


def test_what_does_not_touch_the_pixels_shares_a_cache(tiny_file, loading):
    same = ["data.crop_size=32", "data.flip=false", "seed=7", "data.target.range=[0,200]"]
    assert Loading(tiny_file, *same).check().folder == loading.check().folder


def damage_nothing_of_format(folder):
    about = json.loads((folder / "cache.json").read_text())
    (folder / "cache.json").write_text(json.dumps(about | {"format": 0}))


def cut_pixels(folder):
    with (folder / "pixels.bin").open("r+b") as file:
        file.truncate(1000)


def cut_index(folder):
    content = (folder / "index.npy").read_bytes()
    (folder / "index.npy").write_bytes(content[:-8])


def lose_words(folder):
    (folder / "cache.json").unlink()


def garble_words(folder):
    (folder / "cache.json").write_text('{"format": 1, "sour')


@pytest.mark.parametrize(
    "damage", [damage_nothing_of_format, cut_pixels, cut_index, lose_words, garble_words]
)
def test_a_cache_of_another_version_or_damaged_is_built_anew(loading, damage):
    folder = loading.obtain().folder
    damage(folder)
    assert loading.check().folder == folder
    assert len([line for line in loading.said if line.startswith("cached in")]) == 2


def test_a_build_that_is_killed_leaves_nothing_that_counts(tiny_file, pairs, tmp_path):
    write_pairs(pairs / "train", 100, (200, 200))
    loading = Loading(tiny_file)
    child = Child(tmp_path / "child", build, tiny_file)
    deadline = time.monotonic() + 60
    while not list(store.home().glob("*.building/pixels.bin")):
        assert child.poll() is None, child.out + child.err
        assert time.monotonic() < deadline
        time.sleep(0.001)
    child.kill()
    left = store.entries()
    assert [(entry.name[32:], entry.about) for entry in left] == [(".building", None)]
    loading.check()
    assert [entry.name[32:] for entry in store.entries()] == [""]


def test_two_builds_at_once_are_one(tiny_file, pairs, tmp_path):
    write_pairs(pairs / "train", 60, (200, 200))
    both = [Child(tmp_path / f"child{n}", build, tiny_file) for n in range(2)]
    assert [child.wait() for child in both] == [0, 0]
    said = [child.out for child in both]
    assert "".join(said).count("cached in") == 1
    assert all("reading 60 pairs from their cache" in told for told in said)
    Loading(tiny_file).check()


@pytest.mark.parametrize(
    ("cache", "code"), [("auto", 0), pytest.param("true", 1, marks=pytest.mark.soak)]
)
def test_a_full_disk_leaves_no_cache_and_says_so(tiny_file, pairs, tmp_path, cache, code):
    """A limit on the size of files is the nearest to a full disk that needs no rights."""
    write_pairs(pairs / "train", 60, (200, 200))
    build_little = partial(build, largest=10**6)
    child = Child(tmp_path / "child", build_little, tiny_file, f"data.cache={cache}")
    assert child.wait() == code
    assert ("not cached: " in child.out) == (cache == "auto")
    assert ("data.cache = true, but: " in child.err) == (cache == "true")
    assert store.entries() == []
    Loading(tiny_file).check()


def test_an_interrupted_build_leaves_nothing(loading, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loading.obtain()
    assert store.entries() == []


def test_a_pair_that_cannot_be_read_is_told_at_once(loading, pairs):
    (pairs / "train" / "004.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(ImtransError, match="004.png: damaged image"):
        loading.obtain()
    assert store.entries() == []


def test_files_that_change_while_they_are_read_are_not_cached(loading, pairs, monkeypatch):
    finish = Writer.finish

    def touching(self):
        finish(self)
        os.utime(pairs / "train" / "000.png")

    monkeypatch.setattr(Writer, "finish", touching)
    assert loading.obtain() is None
    assert "files changed while they were read" in loading.said[-1]
    assert store.entries() == []


def test_more_than_the_limit_is_not_cached(tiny_file):
    loading = Loading(tiny_file, "data.cache_limit=0.0001")
    assert loading.obtain() is None
    assert loading.said == ["not cached: 187 kB needed; data.cache_limit is 100 kB"]
    with pytest.raises(ImtransError, match="data.cache = true, but: 187 kB needed"):
        Loading(tiny_file, "data.cache_limit=0.0001", "data.cache=true").obtain()


def test_the_cache_longest_not_used_makes_room(tiny_file):
    caches = []
    for size in (72, 73, 74):
        cache = Loading(tiny_file, f"data.load_size={size}", "data.cache_limit=0.0005").obtain()
        caches.append(cache.folder)
        cache._held.close()  # as if its process had ended
        os.utime(store.lock_of(cache.folder), (size, size))
    assert [folder.exists() for folder in caches] == [False, True, True]


def test_a_cache_in_use_is_never_removed(tiny_file):
    held = Loading(tiny_file, "data.cache_limit=0.0003").obtain()
    other = Loading(tiny_file, "data.load_size=73", "data.cache_limit=0.0003")
    assert other.obtain() is None
    assert "the other caches are in use" in other.said[-1]
    assert Cache(held.folder)
    assert [store.remove(entry) for entry in store.entries()] == [False]


def test_a_disk_with_little_room_is_left_alone(loading, monkeypatch):
    usage = shutil._ntuple_diskusage(10**12, 10**12 - 10**9, 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert loading.obtain() is None
    assert "has too little room" in loading.said[-1]


def test_a_cache_that_another_run_builds_is_waited_for(loading):
    cache = loading.obtain()
    cache._held.close()
    shutil.rmtree(cache.folder)
    building, waited = threading.Event(), threading.Event()

    def build():
        with locked(store.lock_of(cache.folder)):
            building.set()
            waited.wait(30)

    other = threading.Thread(target=build)
    other.start()
    building.wait(30)
    loading.said = Said(lambda line: waited.set() if "waiting for it" in line else None)
    loading.check()
    other.join()
    assert "waiting for it" in loading.said[0]


class Said(list):
    def __init__(self, listener):
        self.listener = listener

    def append(self, line):
        super().append(line)
        self.listener(line)


def test_strange_folders_are_not_taken_for_caches(loading):
    (store.home() / "precious").mkdir(parents=True)
    loading.obtain()
    assert len(store.entries()) == 1


def test_training_reads_the_cache_and_learns_the_same(imtrans, tiny_file):
    for cache in ("true", "false"):
        code, out, _ = imtrans(
            *("train", tiny_file, "--run-dir", f"run-{cache}", "--set", f"data.cache={cache}")
        )
        assert code == 0
        assert ("from their cache" in out) == (cache == "true")
    one, other = (Path(f"run-{c}/checkpoints/step_00000012") for c in ("true", "false"))
    for part in ("generator", "discriminator"):
        tensors = [read_tensors(run / f"{part}.safetensors") for run in (one, other)]
        assert all(torch.equal(tensor, tensors[1][key]) for key, tensor in tensors[0].items())
