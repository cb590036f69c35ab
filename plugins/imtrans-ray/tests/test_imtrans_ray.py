"""Translation by two workers of Ray on this machine, some of them killed."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

pytest.importorskip("imtrans_ray", reason="not installed: pip install -e plugins/imtrans-ray")

from imtrans_ray.cluster import imported_ray
from imtrans_ray.worker import ATTEMPTS
from tiny_recipe import write_tiny

pytestmark = [
    pytest.mark.thorough,
    # Ray Data's own defaults.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
]
PER_SHARD = 4


@pytest.fixture(scope="module")
def cluster():
    """Ray with two cores, started once; gives its address. The folder's name is short: sockets are
    in it."""
    ray = imported_ray()
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=2**27,
        _temp_dir=folder,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A run of the tiny recipe."""
    import imtrans

    folder = tmp_path_factory.mktemp("model")
    brief = {"train.epochs": 1, "validate.every": 100}
    imtrans.train(write_tiny(folder), brief, run_dir=folder / "run", quiet=True)
    return folder / "run"


@pytest.fixture(scope="module")
def expected(model, photos):
    """What `imtrans translate` makes of the photos: a shard's members."""
    from imtrans.cli.main import main

    output = photos.parent / f"{photos.name}-translated"
    command = ["translate", "--checkpoint", model, photos, "--output", output, "--size", "native"]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
        patch.setattr(sys, "argv", ["imtrans", *map(str, command)])
        with pytest.raises(SystemExit, match="0"):
            main()
    return {f"{path.stem}.output.png": path.read_bytes() for path in output.glob("*.png")}


@pytest.fixture
def shards(tmp_path, pack):
    """Six shards of four images; train-2 has two large ones more."""
    for number in range(6):
        first = number * PER_SHARD
        large = (24, 25) if number == 2 else ()
        pack(tmp_path / "in" / f"train-{number}.tar", (*range(first, first + PER_SHARD), *large))
    return tmp_path / "in"


@pytest.fixture
def translate(cluster, imtrans, model, tmp_path):
    def call(inputs, *options, workers=2):
        return imtrans(
            *("ray", "translate", "--checkpoint", model, inputs, "--output", tmp_path / "out"),
            *("--size", "native", "--workers", workers, *options),
        )

    return call


def members_of(folder, unpack):
    """The members of all shards; fails where one is there twice."""
    members = [member for tar in sorted(folder.rglob("*.tar")) for member in unpack(tar)]
    found = dict(members)
    assert len(found) == len(members)
    return found


@contextmanager
def kills(folder, shard, times):
    """Meanwhile the process that writes a shard is killed, so many times; gives their ids."""
    killed, over = [], threading.Event()
    thread = threading.Thread(target=_kill, args=(folder, shard, times, killed, over))
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _kill(folder, shard, times, killed, over):
    while len(killed) < times and not over.wait(0.005):
        for partial in folder.glob(f".{shard}.*.partial"):
            for process in _who_has_open(partial):
                if process not in killed:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)


def _who_has_open(path):
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(path):
                yield int(link.parts[2])
        except OSError:
            continue  # it is gone


needs_proc = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="who has a file open is read from /proc"
)


@needs_proc
@pytest.mark.soak
def test_two_workers_of_which_one_is_killed_lose_nothing_and_double_nothing(
    translate, shards, unpack, expected, tmp_path
):
    with kills(tmp_path / "out", "train-2.tar", 1) as killed:
        code, out, err = translate(shards)
    assert (code, err) == (0, "")
    assert out.startswith(f"26 images in 6 shards in {tmp_path / 'out'} (")
    assert out.count("\n") == 1
    assert len(killed) == 1
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {path.name for path in shards.iterdir()} | {"imtrans-ray.json", ".imtrans"}
    assert members_of(tmp_path / "out", unpack) == expected
    names = [name for name, _ in unpack(tmp_path / "out" / "train-2.tar")]
    assert names == [f"{number:03}.output.png" for number in (8, 9, 10, 11, 24, 25)]
    continued(translate, shards, unpack, expected, tmp_path / "out")


def continued(translate, shards, unpack, expected, output):
    """The same command again, for a shard that is gone, and damaged meanwhile."""
    times = {tar: tar.stat().st_mtime_ns for tar in output.glob("*.tar")}
    del times[output / "train-5.tar"]
    (output / "train-5.tar").unlink()
    add_damaged(shards / "train-5.tar")
    code, out, err = translate(shards, workers=1)
    assert code == 1
    assert err.startswith(f"skipped: {shards / 'train-5.tar'}/bad.source.png: not an image")
    assert out.startswith("4 images in 1 shard in ")
    assert ", 5 shards there already, 1 skipped, named in failed.json (" in out
    assert members_of(output, unpack) == expected
    assert all(tar.stat().st_mtime_ns == when for tar, when in times.items())
    code, _, err = translate(shards, "--dropout-seed", 1)
    assert code == 2
    assert "holds shards of another translation (with other dropout seed): train-0.tar" in err


def add_damaged(tar):
    with tarfile.open(tar, "a") as archive:
        info = tarfile.TarInfo("bad.source.png")
        info.size = 7
        archive.addfile(info, io.BytesIO(b"no PNG."))


@pytest.mark.soak
def test_a_shard_that_is_damaged_is_named_until_it_is_whole(
    translate, tmp_path, pack, unpack, expected
):
    add_damaged(pack(tmp_path / "in" / "a.tar", range(4)))
    whole = pack(tmp_path / "in" / "b.tar", range(4, 8)).read_bytes()
    (tmp_path / "in" / "b.tar").write_bytes(whole[:5000])
    code, out, err = translate(tmp_path / "in", workers=1)
    assert code == 1
    assert out.startswith("4 images in 1 shard in ")
    image, shard = err.strip().splitlines()
    assert shard.startswith(f"skipped: {tmp_path / 'in' / 'b.tar'}: ")
    failed = json.loads((tmp_path / "out" / "failed.json").read_text())
    assert [one["shard"] for one in failed] == ["a.tar", "b.tar"]

    (tmp_path / "in" / "b.tar").write_bytes(whole)
    code, out, err = translate(tmp_path / "in", workers=1)
    assert code == 1
    assert ", 1 shard there already, 1 skipped" in out
    assert err.strip() == image
    found = members_of(tmp_path / "out", unpack)
    assert found == {name: expected[name] for name in found}
    assert len(found) == 8


@pytest.mark.soak
def test_after_a_kill_of_the_driver_the_same_command_continues(
    cluster, translate, model, shards, unpack, expected, tmp_path
):
    out = tmp_path / "out"
    command = ["ray", "translate", "--checkpoint", model, shards, "--output", out]
    command += ["--size", "native", "--workers", "1", "--address", cluster]
    driver = subprocess.Popen(
        [sys.executable, "-m", "imtrans", *map(str, command)], stderr=subprocess.PIPE
    )
    while driver.poll() is None and not list(out.glob("*.tar")):
        time.sleep(0.005)
    driver.kill()
    driver.communicate()
    assert driver.returncode == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    assert 0 < len(before) < 6
    code, said, err = translate(shards)
    assert (code, err) == (0, "")
    assert f"{len(before)} shard" in said
    assert members_of(out, unpack) == expected
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())


@pytest.mark.soak
@needs_proc
def test_a_shard_that_kills_every_worker_is_given_up_and_the_rest_done(
    translate, shards, unpack, tmp_path
):
    with kills(tmp_path / "out", "train-2.tar", 100) as killed:
        code, out, err = translate(shards)
    assert code == 1
    assert out.startswith("20 images in 5 shards in ")
    assert err == (
        "skipped: train-2.tar: its worker died 4 times, usually because memory ran out\n"
    )
    assert len(killed) == ATTEMPTS
    assert len(members_of(tmp_path / "out", unpack)) == 20


@pytest.mark.soak
def test_a_folder_of_images_becomes_shards(translate, photos, unpack, expected, tmp_path):
    code, out, err = translate(photos, "--images-per-shard", 10)
    assert (code, err) == (0, "")
    assert out.startswith("26 images in 3 shards in ")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == [
        f"0000{number}-of-00003.tar" for number in range(3)
    ]
    assert members_of(tmp_path / "out", unpack) == expected


@pytest.mark.soak
def test_shards_in_an_object_store_by_a_ray_that_the_command_starts(
    s3, model, pack, tmp_path, unpack, expected
):
    for number in range(2):
        first = number * PER_SHARD
        tar = pack(tmp_path / "in" / f"train-{number}.tar", range(first, first + PER_SHARD))
        s3.put(f"in/{tar.name}", tar.read_bytes())
    command = ["ray", "translate", "--checkpoint", str(model), "s3://bucket/in", "--size", "native"]
    command += ["--output", "s3://bucket/out", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "imtrans", *command],
        env={**os.environ, **s3.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("8 images in 2 shards in s3://bucket/out (")
    assert done.stdout.count("\n") == 1
    for number in range(2):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / f"{number}.tar").write_bytes(s3.get(f"out/train-{number}.tar"))
    found = members_of(tmp_path / "out", unpack)
    assert found == {name: expected[name] for name in found}
    assert len(found) == 8
