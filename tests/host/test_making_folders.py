"""Folders are made by whoever comes first, and what is in their place is named."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imtrans.host.files import beside, make_folders


def test_several_threads_make_the_same_folders(tmp_path):
    folders = [tmp_path / str(number) / "a" / "b" for number in range(300) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make_folders, folders))
    assert all(folder.is_dir() for folder in folders)


def test_another_thread_may_make_a_folder_at_any_moment(tmp_path, monkeypatch):
    asked, is_dir = [], Path.is_dir

    def late(path):
        found = is_dir(path)
        asked.append(path)
        if len(asked) == 1:
            os.mkdir(tmp_path / "a")  # as another thread does, right after this one has looked
        return found

    monkeypatch.setattr(Path, "is_dir", late)
    make_folders(tmp_path / "a")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError, match="a'$"):
        make_folders(tmp_path / "a" / "b")


def test_names_beside_another_are_no_longer_than_names_may_be():
    assert beside(Path("x/a.png"), "partial") == Path("x/.a.png.partial")
    long = [beside(Path(letter * 251 + ".png"), "partial") for letter in "ab"]
    assert long[0] != long[1]
    assert all(len(path.name) < 255 for path in long)
