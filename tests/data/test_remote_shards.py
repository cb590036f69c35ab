"""Shards in S3, from a server that speaks its protocol: listed, read, trained on."""

import io
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from drawn import draw_picture
from range_server import serving_ranges
from s3_server import BUCKET, SETTINGS, serving_s3
from safetensors.torch import load_file
from stored_pairs import names, pack
from tiny_recipe import TINY

from imtrans.api.errors import ImtransError
from imtrans.api.remote import faults, file_system
from imtrans.components.layouts.shards import Shards
from imtrans.data.workers import in_parallel

pytest.importorskip("moto")
pytest.importorskip("s3fs")
ROOT = f"s3://{BUCKET}/sets/tiny"
LAYOUT = 'layout = { name = "shards" }'
# Of a process that forks with the threads of fsspec running.
FORKED = "ignore:This process .* is multi-threaded:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(FORKED)


def png(seed):
    memory = io.BytesIO()
    draw_picture(seed, (72, 72)).save(memory, "png")
    return memory.getvalue()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder of shards, and a server with the same."""
    folder = tmp_path_factory.mktemp("shards")
    for number, split in enumerate(("train-0", "train-1", "val-0")):
        members = [
            (f"{number}{key}.{side}.png", png(10 * number + place))
            for key in "abc"
            for place, side in enumerate(("source", "target"))
        ]
        pack(folder / f"{split}.tar", *members)
    files = {f"sets/tiny/{path.name}": path.read_bytes() for path in folder.glob("*.tar")}
    files["sets/tiny/notes.txt"] = b"no tar file"
    with serving_s3(files) as (address, client):
        yield folder, address, client


@pytest.fixture
def s3(stored, monkeypatch):
    folder, address, client = stored
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setattr(faults, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(file_system, "_made", {})
    return client


def recipe(path, root, workers):
    text = TINY.format(root=root).replace("[generator]", f"{LAYOUT}\n\n[generator]")
    text = text.replace("workers = 0", f"workers = {workers}\ncache = false")
    text = text.replace("epochs = 2", "epochs = 1\nbatch_size = 3")
    path.write_text(text)
    return path


def read(picture):
    return picture.store.read(picture.offset, picture.size)


@pytest.mark.parametrize("files", ["{split}-*.tar", "{split}-{0..1}.tar", "*/{split}-*.tar"])
def test_what_is_in_a_bucket_is_what_is_in_a_folder(s3, stored, files):
    root = ROOT if "/" not in files else ROOT.rpartition("/")[0]
    there, here = Shards(root, files=files), Shards(str(stored[0]))
    pairs, local = there.pairs("train"), here.pairs("train")
    assert names(pairs) == names(local) == ["0a", "0b", "0c", "1a", "1b", "1c"]
    for one, other in zip(pairs, local, strict=True):
        assert str(one.a[0]).startswith(f"s3://{BUCKET}/sets/tiny/train-")
        with open(other.b[0].path, "rb") as file:
            file.seek(other.b[0].offset)
            assert read(one.b[0]) == file.read(other.b[0].size)
    assert there.has("val")
    assert not there.has("test")


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_what_else_fsspec_reads_is_read(stored, kind):
    fsspec = pytest.importorskip("fsspec")
    root = f"file://{stored[0].as_posix()}"
    if kind == "memory":
        memory, root = fsspec.filesystem("memory"), "memory://sets/tiny"
        for path in stored[0].glob("*.tar"):
            memory.pipe(f"{root}/{path.name}", path.read_bytes())
    local = Shards(str(stored[0])).pairs("train")
    for files in ("{split}-*.tar", "{split}-{0..1}.tar"):
        # As processes that are not forked get it.
        pairs = pickle.loads(pickle.dumps(Shards(root, files=files).pairs("train")))
        assert names(pairs) == names(local)
        assert len(read(pairs[3].b[0])) == local[3].b[0].size
    assert not Shards(root).has("test")


@pytest.mark.thorough
def test_processes_and_threads_share_one_small_cache(s3, stored):
    pairs = Shards(ROOT, cache_limit=3e-5).pairs("train")  # 30 kB, in which two pairs find room
    wanted = [read(pair.a[0]) for pair in pairs]
    for found in in_parallel(Reading(pairs), 12, workers=3):
        assert found == [wanted[at % len(wanted)] for at in range(60)]


class Reading:
    """Reads pairs again and again in four threads."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __call__(self, _):
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda at: read(self.pairs[at % len(self.pairs)].a[0]), range(60)))


def test_nothing_of_it_is_imported_before_an_address_is_read():
    code = (
        "import sys, imtrans.cli.main, imtrans.components.layouts.shards\n"
        "print({'torch', 'fsspec', 'aiohttp', 's3fs'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


def test_many_names_of_a_range_are_found_by_listing_their_folder(s3, monkeypatch):
    monkeypatch.setattr("imtrans.api.remote.listing.FEW", 1)
    assert len(Shards(ROOT, files="{split}-{0..1}.tar").pairs("train")) == 6


def said_of(layout):
    with pytest.raises(ImtransError) as caught:
        layout.pairs("train")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_what_is_not_there_is_said(s3):
    assert "holds train-0.tar, train-1.tar, val-0.tar" in said_of(Shards(ROOT, files="x-*.tar"))
    for root in (f"s3://{BUCKET}/nothing", "s3://no-such-bucket/folder"):
        assert said_of(Shards(root)).startswith(f"{root}/train-*.tar: no such file")
    said = said_of(Shards(ROOT, files="{split}-{0..2}.tar"))
    assert "of the 3 tar files {split}-{0..2}.tar, 1 are missing: train-2.tar" in said


@pytest.mark.parametrize(
    ("status", "said"), [(403, "no permission to read it"), (503, "(3 attempts)")]
)
def test_a_bucket_that_cannot_be_listed_is_not_empty(s3, monkeypatch, status, said):
    server = serving_ranges()
    server.always = status
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    for files in ("{split}-*.tar", "{split}-{0..1}.tar", "**/{split}-*.tar"):
        assert said in said_of(Shards(ROOT, files=files))
    server.shutdown()
    server.server_close()


def test_no_credentials_are_said(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "give credentials as fsspec takes them, as AWS_PROFILE=NAME" in said_of(Shards(ROOT))


def test_a_tar_file_that_changes_is_indexed_again_and_never_mixed(s3, stored, tmp_path):
    pair = Shards(ROOT, cache_limit=0).pairs("train")[0]
    path = stored[0] / "train-0.tar"
    changed = pack(tmp_path / "x.tar", "zz.source.png", "zz.target.png").read_bytes()
    s3.put_object(Bucket=BUCKET, Key="sets/tiny/train-0.tar", Body=changed)
    try:
        with pytest.raises(ImtransError, match="it has changed since this run began"):
            read(pair.a[0])
        assert names(Shards(ROOT).pairs("train")) == ["1a", "1b", "1c", "zz"]
    finally:
        s3.put_object(Bucket=BUCKET, Key="sets/tiny/train-0.tar", Body=path.read_bytes())


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.soak), 2])
def test_training_from_a_bucket_is_training_from_a_folder(s3, stored, imtrans, tmp_path, workers):
    weights = {}
    for root, count in ((ROOT, workers), (stored[0].as_posix(), 0)):
        file = recipe(tmp_path / "tiny.toml", root, count)
        run = tmp_path / f"run-{len(weights)}"
        code, out, err = imtrans("train", file, "--run-dir", run)
        assert code == 0, err
        generator = max((run / "checkpoints").glob("step_*/generator.safetensors"))
        weights[root] = load_file(generator)
        kept = (run / "recipe.toml").read_text() + (run / "metrics.jsonl").read_text() + out + err
        assert "a-secret-of-tests" not in kept
    one, other = weights.values()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.thorough
def test_commands_know_an_address(s3, imtrans, tmp_path):
    file = recipe(tmp_path / "tiny.toml", ROOT, 0)
    run = tmp_path / "run"
    for command in (
        ["check", file],
        ["data", "check", file],
        ["train", file, "--run-dir", run],
        ["evaluate", "--checkpoint", run],
        ["card", run],
    ):
        code, out, err = imtrans(*command)
        assert code == 0, (command, out, err)
    assert json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
