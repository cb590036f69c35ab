"""Only the images of a list: which names it may have, and where their results go."""

import io
import os
import sys
from types import SimpleNamespace

import pytest
from PIL import Image
from translated_trees import pictures, shown

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")


@pytest.fixture
def model(finished_run, tmp_path):
    """A trained run, and a folder of pictures with names of all kinds."""
    finished_run(tmp_path / "runs" / "tiny")
    names = ("0.png", "1.png", "sub/my photo.png", "sub/grün 図.png", "2.jpg")
    pictures(tmp_path / "in", *names, size=(64, 64))
    return ("translate", "--recipe", "tiny", "--size", "native")


@pytest.fixture
def listed(imtrans, model, tmp_path):
    """Translate what a list of these bytes names, of a file or of stdin."""

    def translate(content, *arguments, inputs="in", stdin=None):
        file = tmp_path / "list.txt"
        file.write_bytes(content)
        given = (inputs,) if inputs else ()
        named = "-" if stdin else file
        return imtrans(*model, *given, "--output", "out", "--list", named, *arguments)

    return translate


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"1.png\n0.png\n", ["0.png", "1.png"]),
        (b"1.png", ["1.png"]),
        (b"1.png\r\n\r\n  \r\n0.png\r\n", ["0.png", "1.png"]),
        (b"\xef\xbb\xbf1.png\n", ["1.png"]),
        (b"1.png\n./1.png\n1.png\nsub/../1.png\n", None),
        (b"1.png\n./1.png\n1.png\n", ["1.png"]),
        (b"sub/my photo.png\n", ["sub/my photo.png"]),
        ("sub/grün 図.png\n".encode(), ["sub/grün 図.png"]),
        ("sub/grün 図.png\r\n1.png\r\n".encode("utf-16"), ["1.png", "sub/grün 図.png"]),
        (b"1.png\0sub/my photo.png\0", ["1.png", "sub/my photo.png"]),
        (b"2.jpg\n", ["2.png"]),
    ],
)
def test_a_list_has_a_line_for_each_image(listed, tmp_path, content, names):
    code, out, err = listed(content)
    if names is None:
        assert (code, err.count("\n")) == (2, 1)
        assert "the list names 'sub/../1.png'; write it without '..'" in err
        return
    assert (code, err) == (0, "")
    assert sorted(shown(tmp_path / "out")) == names
    counted = f"{len(names)} image{'s' * (len(names) > 1)} in out ("
    assert out.startswith(counted)


def test_stdin_is_a_list_and_lists_add_to_a_folder(listed, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"0.png\n")))
    assert listed(b"", stdin=True)[0] == 0
    code, out, _ = listed(b"0.png\n1.png\n")
    assert code == 0
    assert out.startswith("1 image in out, 1 there already (")
    assert sorted(shown(tmp_path / "out")) == ["0.png", "1.png"]


def test_absolute_names_below_the_input_are_meant_by_it(listed, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "in")
    names = f"{tmp_path}/in/0.png\n{tmp_path}/link/1.png\n0.png\n"
    assert listed(names.encode(), inputs="link")[0] == 0
    assert sorted(shown(tmp_path / "out")) == ["0.png", "1.png"]


def test_without_an_input_names_are_below_the_working_folder(listed, tmp_path):
    assert listed(f"in/0.png\n{tmp_path}/in/1.png\n".encode(), inputs=None)[0] == 0
    assert sorted(shown(tmp_path / "out")) == ["in/0.png", "in/1.png"]


@pytest.mark.parametrize("name", ["nothing.png", "nowhere/1.png", "9" * 300 + ".png"])
def test_a_missing_image_is_skipped(listed, tmp_path, name):
    code, out, err = listed(f"{name}\n1.png\n".encode())
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"skipped: in/{name}: ")
    assert out.startswith("1 image in out, 1 skipped (")
    assert sorted(shown(tmp_path / "out")) == ["1.png"]


@pytest.mark.parametrize(
    ("content", "inputs", "said"),
    [
        (b"", "in", "list.txt: names no image"),
        (b"\n \r\n", "in", "list.txt: names no image"),
        (b"/elsewhere/a.png\n", "in", "'/elsewhere/a.png', which is not below in; "),
        (b"../0.png\n", "in", "'../0.png', which is not below in; "),
        (b"notes.txt\n0.png\n", "in", "the list names what is no image: notes.txt; "),
        (b"0.png\n", "nowhere", "nowhere: no such file or folder"),
        (b"0.png\n", "in/0.png", "in/0.png: a file; with --list, INPUT is the folder of all"),
    ],
)
def test_a_list_that_cannot_be_meant_is_one_line(listed, tmp_path, content, inputs, said):
    code, _, err = listed(content, inputs=inputs)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "said"), [("in", "is a directory"), ("no", "no such file")])
def test_a_list_that_cannot_be_read_is_one_line(imtrans, model, name, said):
    code, _, err = imtrans(*model, "in", "--list", name)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{name}: {said}" in err


@LINUX
def test_names_that_are_no_text_lead_to_their_files(listed, tmp_path):
    name = b"caf\xe9.png"
    os.link(tmp_path / "in/0.png", os.fsencode(tmp_path) + b"/in/" + name)
    code, _, err = listed(name + b"\n" + b"none\xe9.png\n")
    assert (code, err) == (1, "skipped: in/none?.png: no such file\n")
    assert os.listdir(os.fsencode(tmp_path) + b"/out").count(name) == 1


def sizes(folder):
    found = {}
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            found[path.name] = image.size
    return found


@pytest.mark.parametrize(
    "lists",
    [
        (b"a.jpg\n", b"a.png\n"),
        (b"a.png\n", b"a.jpg\n"),
        (b"a.jpg\na.png\n", b"a.png\n"),
        (b"a.webp\n", b"a.jpg\n", b"a.png\n"),
        (b"a.webp\na.jpg\n", b"a.png\n"),
    ],
)
def test_where_a_result_goes_does_not_depend_on_what_else_is_listed(listed, tmp_path, lists):
    for name, side in (("a.jpg", 64), ("a.png", 68), ("a.webp", 72)):
        pictures(tmp_path / "in", name, size=(side, side))
    done = sum(content.count(b"\n") for content in set(lists))
    for content in lists:
        assert listed(content)[0] == 0
    places = {"a.png": (68, 68), "a.jpg.png": (64, 64), "a.webp.png": (72, 72)}
    found = sizes(tmp_path / "out")
    assert found.items() <= places.items()
    assert len(found) == len({line for content in lists for line in content.split()})
    assert done >= len(found)


def test_one_image_goes_where_its_folder_would_have_it(imtrans, model, tmp_path):
    pictures(tmp_path / "in", "2.png", size=(68, 68))
    assert imtrans(*model, "in/2.jpg", "--output", "out")[0] == 0
    assert sizes(tmp_path / "out") == {"2.jpg.png": (64, 64)}
    code, out, _ = imtrans(*model, "in", "--output", "out")
    assert code == 0
    assert out.startswith("5 images in out, 1 there already (")
    assert sizes(tmp_path / "out")["2.png"] == (68, 68)
