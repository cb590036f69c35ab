"""What a server makes of files, without a server: the same as `translate`, or one line."""

import base64
import io
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import numpy as np
import pytest
import torch
from drawn import draw_picture
from flow_checkpoint import flow_recipe, saved
from PIL import Image
from third_party import with_plugin

from imtrans.api.errors import ImtransError
from imtrans.board.palette import Palette, Swatch
from imtrans.serving import served as module
from imtrans.serving.access import user_and_password
from imtrans.serving.batch import translate_batch, translate_file, uploaded
from imtrans.serving.drawing import START, Drawing, classes_of
from imtrans.serving.limits import Limits
from imtrans.serving.loading import drawing_for, load_served
from imtrans.serving.served import Draw
from imtrans.serving.storage import Storage
from imtrans.translation.loading import load
from imtrans.translation.translator import Translator


@pytest.fixture(scope="module")
def run(trained_once):
    return trained_once / "run"


@pytest.fixture(scope="module")
def served(run):
    return load_served([("tiny", run)], device="cpu", max_pixels=100_000)[0]


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "own").mkdir()
    return Storage(tmp_path / "own", 10**8)


@pytest.fixture
def photo(storage):
    def drawn(name="photo.png", size=(90, 50), **options):
        place = storage.place(name)
        draw_picture(3, size).save(place, **options)
        return str(place)

    return drawn


def as_png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return START + base64.b64encode(file.getvalue()).decode()


def test_a_file_becomes_what_translate_writes(served, run, storage, photo):
    found = translate_file(served, photo("a b.jpg"), Draw(), storage)
    assert found.name == "a b.png"
    with Image.open(found) as image:
        pixels = np.asarray(image)
    file = photo("again.jpg")
    assert np.array_equal(pixels, np.asarray(load(run, device="cpu")(file)))


def test_a_seed_keeps_dropout_on_as_translate_does(served, run, storage, photo):
    def pixels(seed):
        with Image.open(translate_file(served, photo(), Draw(seed), storage)) as image:
            return np.asarray(image)

    assert served.has_dropout
    assert served.samples
    file = photo()
    wanted = load(run, device="cpu", dropout_seed=3)(file)
    assert np.array_equal(pixels(3), np.asarray(wanted))
    assert not np.array_equal(pixels(3), pixels(4))
    assert not np.array_equal(pixels(3), pixels(None))


def test_dropout_takes_no_memory_of_its_own(served):
    plain, dropping = served._plain.module, served._dropping.module
    shared = zip(plain.parameters(), dropping.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in shared)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"seed": 2**32}, {"nfe": 0}, {"nfe": 10**6}], ids=str
)
def test_a_seed_or_a_number_that_is_none_is_one_line(wrong):
    with pytest.raises(ImtransError, match="a? whole number"):
        Draw(**wrong)


def bomb():
    """A PNG of a hundred thousand pixels a side in a few bytes."""
    file = io.BytesIO()
    Image.new("1", (4000, 4000)).save(file, "PNG")
    return file.getvalue()


def zipped(names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def animated(kind):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


HOSTILE = {
    "empty.png": (b"", "not an image"),
    "text.png": (b"hello", "not an image"),
    "cut.png": (base64.b64decode("iVBORw0KGgoAAAANSUhEUg=="), "damaged"),
    "bomb.png": (bomb(), "16,000,000|16000000|too large|pixels"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a vector drawing"),
    "drawing.xml": (b"<?xml version='1.0'?><svg/>", "a vector drawing"),
    "photos.zip": (zipped(["../../x.png"]), "a zip; send the images"),
    "moving.gif": (animated("GIF"), "a GIF"),
    "video.mp4": (b"\0\0\0\x18ftypmp42", "not an image"),
    "script.png": (b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_line_with_its_own_name_alone(served, storage, name):
    content, line = HOSTILE[name]
    place = storage.place(name)
    place.write_bytes(content)
    with pytest.raises(ImtransError, match=line) as caught:
        translate_file(served, str(place), Draw(), storage)
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    assert str(storage.folder) not in str(caught.value)


def test_a_batch_is_a_zip_and_a_line_for_what_was_skipped(served, storage, photo):
    files = [photo("one.png"), photo("one.jpg"), photo("ONE.bmp"), photo("two.png")]
    bad = storage.place("bad.png")
    bad.write_bytes(b"no")
    place, done, skipped = translate_batch(served, [*files, str(bad)], Draw(), storage, Limits())
    with zipfile.ZipFile(place) as found:
        assert found.testzip() is None
        names = ["one.png", "one-2.png", "ONE-3.bmp", "two.png"]
        assert [name.lower() for name in found.namelist()] == [
            name.lower().replace(".bmp", ".png") for name in names
        ]
    assert done == 4
    assert skipped == ["bad.png: not an image, or one that cannot be read"]
    left = [file for _, _, files in os.walk(storage.folder) for file in files]
    assert sorted(left) == sorted(
        ["ONE.bmp", "bad.png", "one.jpg", "one.png", "tiny.zip", "two.png"]
    )


def test_a_batch_without_a_result_or_of_too_many_is_one_line(served, storage, photo):
    bad = storage.place("bad.png")
    bad.write_bytes(b"no")
    for files, line in (
        ([], "no files"),
        ([str(bad)] * 3, "bad.png: not an image.*; likewise 2 more"),
        ([photo()] * 4, "4 files; a batch is of 3 at most"),
    ):
        with pytest.raises(ImtransError, match=line):
            translate_batch(served, files, Draw(), storage, Limits(images=3))


def test_what_cannot_be_written_names_no_folder(served, storage, photo, monkeypatch):
    def full(pixels, place, dtype):
        raise ImtransError(f"{place}: cannot be written: no space left on device")

    monkeypatch.setattr(module, "encode", full)
    with pytest.raises(ImtransError, match=r"^photo\.png: cannot be written"):
        translate_file(served, photo(), Draw(), storage)


def test_a_batch_ends_with_the_server(served, storage, photo, monkeypatch):
    file = photo()
    storage._open = False
    monkeypatch.setattr(served, "translated", None)
    with pytest.raises(ImtransError, match="the server has ended"):
        translate_file(served, file, Draw(), storage)


def test_a_run_says_what_goes_in_and_what_comes_out(served):
    facts = served.facts
    assert facts["run"] == "tiny"
    assert facts["size"] == [64, 64]
    assert facts["source"] == facts["output"] == "8-bit RGB"
    assert (facts["nfe"], facts["dropout"], facts["samples"]) == (None, True, True)


def test_runs_of_one_name_are_told_apart(run):
    twice = load_served([("tiny", run), ("tiny.toml", run)], device="cpu")
    assert [each.name for each in twice] == ["tiny", "tiny-2"]


def test_a_drawing_is_as_its_pixels(served):
    drawing = drawing_for([served])
    assert (drawing.width, drawing.height) == (64, 64)
    colour = drawing.palette.swatches[0].colour
    picture = drawing.picture(as_png(Image.new("RGBA", (64, 64), colour)))
    made = served.translated(picture, Draw())
    assert served.seen(made).shape == (3, 64, 64)
    assert drawing.picture("") is None


@pytest.mark.parametrize(
    "wrong",
    [3, {}, "hello", "data:image/svg+xml;base64,AAAA", START + "!!", "file:///etc/passwd"],
)
def test_what_is_no_drawing_is_one_line(served, wrong):
    with pytest.raises(ImtransError, match="drawing"):
        drawing_for([served]).picture(wrong)


def test_a_drawing_that_is_too_large_is_one_line(served):
    drawing = drawing_for([served])
    picture = drawing.picture(as_png(Image.new("RGB", (400, 400))))
    with pytest.raises(ImtransError, match="the drawing: "):
        served.translated(picture, Draw())


def test_colours_of_classes_become_their_numbers():
    swatches = (Swatch("0", "#000000", (0,)), Swatch("7", "#ff8000", (7,)))
    palette = Palette("labels", swatches, "#000000")
    image = Image.new("RGB", (3, 2), "#000000")
    image.putpixel((1, 1), (255, 128, 0))
    drawing = Drawing(palette, 3, 2, 100)
    content = drawing.picture(as_png(image)).content
    with Image.open(io.BytesIO(content)) as found:
        assert np.asarray(found).tolist() == [[0, 0, 0], [0, 7, 0]]
    image.putpixel((0, 0), (1, 1, 1))
    with pytest.raises(ImtransError, match="not of the palette"):
        drawing.picture(as_png(image))
    assert classes_of(torch.zeros(3, 1, 1, dtype=torch.uint8), {"#000000": (4, 5)}).shape == (
        1,
        1,
        2,
    )


def test_a_password_comes_from_an_option_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("IMTRANS_SERVE_AUTH", raising=False)
    (tmp_path / "password").write_text("ada:from a file\nsecond line\n")
    assert user_and_password(None) is None
    assert user_and_password("ada:a:b") == "ada:a:b"
    assert user_and_password(f"@{tmp_path / 'password'}") == "ada:from a file"
    monkeypatch.setenv("IMTRANS_SERVE_AUTH", "ada:hidden")
    assert user_and_password(None) == "ada:hidden"
    assert user_and_password("b:c") == "b:c"
    for wrong in ("ada", "ada:", ":x", f"@{tmp_path / 'none'}", f"@{tmp_path}"):
        with pytest.raises(ImtransError, match="--auth"):
            user_and_password(wrong)


def random_values(shape, top, dtype):
    return (np.random.default_rng(0).random(shape) * top).astype(dtype)


ODD = {
    "12 channels": (
        ["data.layout=folders", "data.source.channels=12", "data.source.dtype=float32"]
        + ["data.source.range=[0,1]", "data.target.dtype=uint16"],
        random_values((40, 50, 12), 1, "float32"),
        (".png", "32-bit float 12 channels", "16-bit RGB"),
    ),
    "16-bit grey": (
        ["data.source.dtype=uint16", "data.source.channels=1"]
        + ["data.target.channels=1", "data.target.dtype=float32", "data.target.range=[0,1]"],
        random_values((40, 50), 65535, "uint16"),
        (".tif", "16-bit grey", "32-bit float grey"),
    ),
    "classes": (
        ["data.source.channels=1", "data.source.classes=[[0],[1],[2]]"],
        random_values((40, 50), 3, "uint8"),
        (".png", "8-bit grey", "8-bit RGB"),
    ),
    "derived": (
        ["data.layout=photos", "data.derive=lab"],
        random_values((40, 50, 3), 255, "uint8"),
        (".png", "8-bit grey or RGB", "8-bit RGB"),
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_pictures_of_every_kind_are_shown_and_kept_exactly(tiny_file, tmp_path, storage, kind):
    overrides, values, (suffix, takes, makes) = ODD[kind]
    (served,) = load_served([("odd", saved(tiny_file, overrides, tmp_path / "odd"))], device="cpu")
    assert (served.takes, served.makes) == (takes, makes)
    place = storage.place("x.npy")
    np.save(place, values)
    assert translate_file(served, str(place), Draw(), storage).suffix == suffix
    picture = uploaded(str(place))
    for shown in (served.seen_source(picture), served.seen(served.translated(picture, Draw()))):
        assert (shown.dtype, shown.shape) == (torch.uint8, (3, 40, 50))
    drawing = drawing_for([served])
    assert (drawing is None) == (kind in ("12 channels", "16-bit grey"))
    if drawing:
        first = drawing.palette.swatches[0].colour
        drawn = drawing.picture(as_png(Image.new("RGBA", (64, 64), first)))
        assert served.seen(served.translated(drawn, Draw())).shape == (3, 64, 64)


def test_a_method_that_samples_takes_a_seed_and_a_number(tiny_file, tmp_path, storage, photo):
    with with_plugin("flow_matching"):
        run = saved(flow_recipe(tiny_file), [], tmp_path / "flow")
        (served,) = load_served([("flow", run)], device="cpu")
        assert (served.samples, served.has_dropout, served.nfe) == (True, False, 2)

        def pixels(**drawn):
            return translate_file(served, photo(), Draw(**drawn), storage).read_bytes()

        usual = pixels()
        assert usual == pixels(seed=0) == pixels(nfe=2)
        assert usual != pixels(seed=1)
        assert usual != pixels(nfe=3)
        assert usual == pixels()  # the number is that of one call


def test_calls_are_one_at_a_time_for_a_device(run, monkeypatch, photo):
    served = load_served([("one", run), ("other", run)], device="cpu")
    inside, most = [], []

    def output(self, source, seed=None):
        inside.append(1)
        most.append(len(inside))
        sleep(0.02)
        inside.pop()
        return source

    monkeypatch.setattr(Translator, "output", output)
    with ThreadPoolExecutor(6) as threads:
        pictures = [uploaded(photo()) for _ in range(6)]
        list(threads.map(lambda at: served[at % 2].translated(pictures[at], Draw()), range(6)))
    assert most == [1] * 6
