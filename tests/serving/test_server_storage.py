"""The folder of a server: bounded, its own, and gone with it."""

import os
import tempfile
import time

import pytest

from imtrans.api.errors import ImtransError
from imtrans.serving import storage as module
from imtrans.serving.storage import IN_USE, OLD, PREFIX, Storage, kept_name, opened_storage


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def put(storage, name, size, age=0.0):
    place = storage.place(name)
    place.write_bytes(b"x" * size)
    os.utime(place, (time.time() - age,) * 2)
    return place


def test_it_is_removed_with_the_server_whatever_happens(temporary):
    context = opened_storage(1000)
    storage = context.__enter__()
    put(storage, "a.png", 10)
    assert oct(storage.folder.stat().st_mode)[-3:] == "700"
    assert not context.__exit__(RuntimeError, RuntimeError(), None)
    assert list(temporary.iterdir()) == []


def test_what_a_killed_server_left_is_removed_and_a_running_one_keeps_its_files(temporary):
    left = temporary / f"{PREFIX}left"
    (left / "sub").mkdir(parents=True)
    (left / ".lock").touch()
    other = temporary / f"{PREFIX}no-server"  # without its lock: somebody else's
    other.mkdir()
    with opened_storage(1000) as first:
        mine = put(first, "a.png", 10)
        with opened_storage(1000):
            assert mine.is_file()
    assert list(temporary.iterdir()) == [other]


def test_old_files_go_and_their_folders(temporary):
    with opened_storage(10_000) as storage:
        old, young = put(storage, "old.png", 10, OLD + 1), put(storage, "young.png", 10)
        storage.make_room()
        assert not old.parent.exists()
        assert young.is_file()
        assert (storage.folder / ".lock").is_file()


def test_the_oldest_make_room_and_what_is_in_use_does_not(temporary):
    with opened_storage(100) as storage:
        oldest = put(storage, "1.png", 40, IN_USE + 20)
        older = put(storage, "2.png", 40, IN_USE + 10)
        with storage.room_for(50):
            pass
        assert (oldest.exists(), older.exists()) == (False, True)
        put(storage, "3.png", 40)
        with (
            pytest.raises(ImtransError, match="no room for more files now"),
            storage.room_for(90),
        ):
            pass
        assert not older.exists()


def test_uploads_at_the_same_time_share_the_room(temporary):
    with opened_storage(100) as storage, storage.room_for(60):
        with pytest.raises(ImtransError, match="no room"), storage.room_for(60):
            pass
        with storage.room_for(40):
            pass


def test_files_are_bounded_in_number_too(temporary, monkeypatch):
    monkeypatch.setattr(module, "FILES", 3)
    with opened_storage(1000) as storage:
        for name in range(4):
            put(storage, f"{name}.png", 1)
        with pytest.raises(ImtransError, match="no room for more files now"):
            storage.make_room()


def test_a_name_hides_no_file(temporary):
    with opened_storage(100) as storage:
        place = put(storage, ".lock", 90)
        assert storage.holds(str(place))
        assert not storage.holds(str(storage.folder / ".lock"))
        with pytest.raises(ImtransError, match="no room"), storage.room_for(20):
            pass


def test_once_the_server_has_ended_nothing_is_made_any_more(temporary):
    with opened_storage(100) as storage:
        storage.check_open()
    for late in (storage.check_open, lambda: storage.place("a.png")):
        with pytest.raises(ImtransError, match="the server has ended"):
            late()
    assert list(temporary.iterdir()) == []


def test_nobody_can_guess_where_a_result_is(temporary):
    with opened_storage(1000) as storage:
        places = {storage.place("a.png") for _ in range(20)}
        assert len({place.parent for place in places}) == 20
        assert all(len(place.parent.name) > 20 for place in places)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("photo.jpg", "photo.png"),
        ("/own/x/Größe 1.tif", "Größe 1.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\x\\y.bmp", "y.png"),
        ("<img src=x>.png", "_img src_x_.png"),
        (".htaccess", "htaccess.png"),
        ("...", "image.png"),
        ("a" * 300 + ".png", "a" * 80 + ".png"),
    ],
)
def test_a_result_has_a_harmless_name(name, kept):
    assert kept_name(name, ".png") == kept


def test_a_folder_that_vanished_holds_nothing(tmp_path):
    assert not Storage(tmp_path / "gone", 10).holds(str(tmp_path / "gone" / "x"))
