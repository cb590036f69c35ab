"""What `imtrans data fetch` leaves on the disk, and what it says: always all or nothing."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving import ARCHIVE, BIG, a_set, beside, packed, whole

from imtrans.data.fetching import partial, sets, space
from imtrans.host.locks import locked
from imtrans.recipe import reading as recipes

pytest_plugins = ["fetching_fixtures"]
ROOT = Path(__file__).parents[2]


def test_an_archive_put_there_by_hand_needs_no_server_and_stays(fetch, server):
    server.cuts = [70_000] + [0] * 5
    fetch()
    server.asked.clear()
    by_hand = Path("datasets/facades.tar.gz")
    by_hand.write_bytes(ARCHIVE)
    assert fetch()[0] == 0
    assert server.asked == []
    assert whole()
    assert by_hand.read_bytes() == ARCHIVE
    assert beside() == ["facades.tar.gz"]  # and no longer what had been downloaded of it


def test_a_bad_archive_put_there_by_hand_is_told_and_stays(fetch):
    by_hand = Path("datasets/facades.tar.gz")
    by_hand.parent.mkdir()
    by_hand.write_bytes(ARCHIVE[:-5000])
    code, _, err = fetch()
    assert code == 2
    assert "remove it, and the same command fetches it again" in err
    assert beside() == ["facades.tar.gz"]


def test_a_checksum_is_held_to(fetch, server):
    right = hashlib.sha256(ARCHIVE).hexdigest()
    code, _, err = fetch("--sha256", "0" * 64)
    assert code == 2
    assert f"its sha256 is {right}, not {'0' * 64}" in err
    assert beside() == []
    assert fetch("--sha256", f"sha256:{right.upper()}")[0] == 0
    assert whole()


def test_with_a_checksum_any_size_is_taken(fetch, monkeypatch):
    monkeypatch.setitem(sets.SETS, "facades", replace(sets.SETS["facades"], size=10**7))
    assert fetch()[0] == 2
    assert fetch("--sha256", hashlib.sha256(ARCHIVE).hexdigest())[0] == 0


def test_room_on_the_disk_is_looked_at_before(fetch, server, monkeypatch):
    monkeypatch.setattr(
        space.shutil, "disk_usage", lambda _: space.shutil._ntuple_diskusage(9, 9, 200_000)
    )
    code, _, err = fetch()
    assert code == 2
    assert "'datasets' has 200 kB free, and about 389 kB are needed" in err
    assert beside() == []


def test_room_to_unpack_is_looked_at_too(fetch, monkeypatch):
    Path("datasets").mkdir()
    Path("datasets/facades.tar.gz").write_bytes(ARCHIVE)
    usage = space.shutil._ntuple_diskusage(9, 9, 200_000)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: usage)
    code, _, err = fetch()
    assert code == 2
    assert "about 208 kB are needed for what the archive unpacks to" in err


def test_a_disk_full_in_the_middle_keeps_what_came(fetch, monkeypatch):
    really, room = partial.Partial.append, [2]

    def append(self, chunk):
        if not room[0]:
            with space.telling_when_full(self.path.parent):
                raise OSError(28, "No space left on device")
        room[0] -= 1
        really(self, chunk)

    monkeypatch.setattr(partial.Partial, "append", append)
    code, _, err = fetch()
    assert code == 2
    assert "'datasets': no space left on this disk. make room, and the same command" in err
    monkeypatch.setattr(partial.Partial, "append", really)
    code, out, _ = fetch()
    assert code == 0
    assert "continuing after" in out
    assert whole()


@pytest.mark.parametrize("note", ["", "{}", "[1]", '{"address": 3}', "\x00", '{"x": 1}'])
def test_a_broken_note_means_to_start_from_zero(fetch, server, note):
    server.cuts = [70_000] + [0] * 5
    fetch()
    Path("datasets/facades.tar.gz.partial.json").write_text(note)
    assert fetch()[0] == 0
    assert whole()


def test_a_note_of_a_file_that_is_gone_is_no_file(fetch, server):
    partial_file = Path("datasets/facades.tar.gz.partial")
    partial_file.parent.mkdir()
    (partial_file.parent / ".facades.unpacking/mine").mkdir(parents=True)
    assert fetch()[0] == 2  # downloaded, but nothing could be unpacked
    (partial_file.parent / ".facades.unpacking/mine").rmdir()
    partial_file.unlink()
    assert fetch()[0] == 0
    assert whole()


def test_an_archive_that_lacks_a_split_is_refused(fetch, server):
    server.content = packed(a_set(splits=("train", "val"), each=5))
    code, _, err = fetch()
    assert code == 2
    assert "holds no images in 'test'" in err
    assert beside() == []
    assert not Path("datasets/facades").exists()


def test_a_small_archive_that_unpacks_to_much_is_refused(fetch, server):
    server.content = packed([*a_set(), ("facades/train/zeros.jpg", bytes(3_000_000))])
    code, _, err = fetch()
    assert code == 2
    assert "'facades/train/zeros.jpg' (3 MB) makes more bytes than such a set has" in err
    assert beside() == []


def test_many_more_members_than_the_set_has_are_refused(fetch, server, monkeypatch):
    monkeypatch.setitem(sets.SETS, "facades", replace(sets.SETS["facades"], images=10))
    server.content = packed([*a_set(), *((f"facades/train/_{i}.jpg", b"") for i in range(1100))])
    code, _, err = fetch("--sha256", hashlib.sha256(server.content).hexdigest())
    assert code == 2
    assert "makes more members than such a set has" in err


def test_a_folder_that_imtrans_made_for_something_else_is_left_alone(fetch, server):
    for split in ("train", "val", "test"):
        Path("datasets/facades", split).mkdir(parents=True)
    Path("datasets/facades/.imtrans").touch()
    code, _, err = fetch()
    assert code == 2
    assert "is not what this command makes" in err
    assert "nothing needs to be fetched" in err


def test_other_files_in_the_folder_are_left_alone(fetch, server):
    mine = Path("datasets/facades/train/mine.jpg")
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    code, _, err = fetch()
    assert code == 2
    assert "'datasets/facades' is not empty" in err
    assert mine.read_bytes() == b"mine"
    assert server.asked == []


def test_an_empty_folder_is_taken_and_a_link_to_one_followed(fetch, tmp_path):
    (tmp_path / "disk").mkdir()
    Path("datasets").mkdir()
    Path("datasets/facades").symlink_to(tmp_path / "disk")
    assert fetch()[0] == 0
    assert whole(tmp_path / "disk")
    assert Path("datasets/facades").is_symlink()


@pytest.mark.parametrize("folder", [".", "/", "file"])
def test_a_folder_that_cannot_be_made_is_refused(fetch, folder):
    Path("file").write_text("")
    code, _, err = fetch(folder)
    assert code == 2
    assert "name a new" in err


# A process of its own, for what ends processes. Its set is as big as BIG.
PROCESS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
from dataclasses import replace
from imtrans.data.fetching import sets
sets.SETS["facades"] = replace(sets.SETS["facades"], size=int(sys.argv.pop()))
sys.argv[0] = "imtrans"
from imtrans.cli.main import main
main()
"""


@pytest.fixture
def under_way(server, tmp_path, monkeypatch):
    """A process that fetches slowly and has begun; it is killed at the end, if it still runs."""
    monkeypatch.setitem(sets.SETS, "facades", replace(sets.SETS["facades"], size=len(BIG)))
    server.content, server.pause = BIG, 0.1
    arguments = ["data", "fetch", "facades", "--mirror", server.address, str(len(BIG))]
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    growing = tmp_path / "datasets/facades.tar.gz.partial"
    while not (growing.exists() and growing.stat().st_size > 200_000):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


def test_after_kill_9_the_same_command_continues(fetch, server, under_way):
    under_way.kill()
    under_way.communicate()
    server.pause = 0
    code, out, _ = fetch()
    assert code == 0
    have = int(server.asked[-1][1].removeprefix("bytes=").removesuffix("-"))
    assert have > 200_000
    assert f"continuing after {have / 1000:.0f} kB" in out or have >= 10**6
    assert whole(content=list(a_set(length=400_000)))
    assert beside() == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_what_came_and_ends_with_130(under_way):
    under_way.send_signal(signal.SIGINT)
    out, err = under_way.communicate()
    assert under_way.returncode == 130
    assert "interrupted; the same command continues" in out
    assert "Traceback" not in err


def test_a_second_fetch_into_the_same_folder_is_refused_and_harms_nothing(
    fetch, server, under_way, tmp_path
):
    code, _, err = fetch()
    assert code == 2
    assert "'datasets/facades' is being fetched by another process" in err
    server.pause = 0
    under_way.communicate()
    assert under_way.returncode == 0
    assert whole(content=list(a_set(length=400_000)))
    assert beside() == []


def test_what_a_process_killed_while_unpacking_left_is_cleared_away(fetch):
    left = Path("datasets/.facades.unpacking")
    left.mkdir(parents=True)
    (left / ".imtrans").touch()
    (left / "half.jpg").touch()
    assert fetch()[0] == 0
    assert whole()
    assert beside() == []


def test_a_folder_of_that_name_that_is_not_ours_is_left_alone(fetch):
    mine = Path("datasets/.facades.unpacking/mine")
    mine.mkdir(parents=True)
    code, _, err = fetch()
    assert code == 2
    assert "is in the way" in err
    assert mine.is_dir()


def test_the_lock_is_free_after_every_end(fetch, server):
    server.statuses = [404]
    fetch()
    with locked(Path("datasets/facades.tar.gz.lock")):
        pass


def test_without_a_name_the_sets_are_listed(imtrans):
    code, out, _ = imtrans("data", "fetch")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(sets.SETS)
    assert "30 MB" in out
    assert "for facades, facades_photo2label" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["facade"], "no published set 'facade'; did you mean 'facades'?"),
        (["day2night"], "the recipe of this name trains on 'night2day': imtrans data fetch night"),
        (["cityscapes"], "its licence asks everybody to register"),
        (["nothing"], "there are 'facades', 'maps'"),
        (["horse"], "did you mean 'horse2zebra'?"),
        (["maps", "--mirror", "file:///tmp"], "is no http or https address"),
        (["maps", "--mirror", "http://127.0.0.1:port/"], "cannot be asked for"),
        (["maps", "--sha256", "12"], "is not 64 hexadecimal digits"),
    ],
)
def test_what_cannot_be_fetched_is_told_in_one_line(imtrans, arguments, said):
    code, _, err = imtrans("data", "fetch", *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_mirror_is_a_folder_of_archives_or_an_archive():
    facades = sets.SETS["facades"]
    assert facades.address("https://x.org/a/") == "https://x.org/a/facades.tar.gz"
    assert sets.SETS["horse2zebra"].address("https://x.org/a") == "https://x.org/a/horse2zebra.zip"
    for exact in (
        "https://x.org/f.tar.gz",
        "https://x.org/f.zip",
        "https://x.org/f.tgz",
        "https://x.org/get?file=3",
    ):
        assert facades.address(exact) == exact


@pytest.mark.parametrize("known", sets.SETS.values(), ids=lambda known: known.name)
def test_the_recipes_of_a_set_look_where_it_is_unpacked(known):
    for name in known.recipes:
        data = recipes.read(recipes.packaged()[name]).data
        assert data.root == known.folder
        splits = {split.removesuffix("A").removesuffix("B") for split in known.splits}
        assert data.train in splits
        held_out = {"val", "test"} if data.validation is None else {data.validation}
        assert held_out & splits


def test_every_recipe_on_a_published_set_is_named_with_it():
    for name, path in recipes.packaged().items():
        folder = Path(recipes.read(path).data.root)
        if folder.name in sets.SETS and folder.parent.name == "datasets":
            assert name in sets.SETS[folder.name].recipes
