"""Pictures as the files of their results: those that `imtrans translate` writes."""

import tarfile

import numpy as np
import pytest
import torch
from drawn import draw_picture
from tifffile import imwrite

import imtrans as facade
from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.translation.translator import Translator


@pytest.fixture
def model(finished_run, tmp_path):
    return finished_run(tmp_path / "run")


@pytest.fixture
def pictures(tmp_path):
    """Files of several formats and sizes, one of them damaged, in the order of their names."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "c.PNG", "e.bmp", "f.png", "g.png")):
        draw_picture(number, (64, 32 + 8 * (number % 2))).save(folder / name)
    (folder / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    # What a TIFF keeps of its source: where it was scanned, for one.
    pixels = np.asarray(draw_picture(9, (48, 40)))
    imwrite(folder / "h.tif", pixels, resolution=(300, 300), photometric="rgb")
    return folder


def test_they_are_those_of_the_command_in_the_order_of_the_pictures(
    imtrans, model, pictures, tmp_path
):
    code, _, _ = imtrans("translate", "--checkpoint", model, pictures, "--output", tmp_path / "out")
    assert code == 1
    tar = tmp_path / "photos.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(pictures, ".")
    with tarfile.open(tar) as archive:
        members = sorted(filter(tarfile.TarInfo.isreg, archive), key=lambda info: info.name)
    loaded = facade.load(model)
    files = sorted(path for path in pictures.iterdir())
    for given in (
        [Picture(str(file)) for file in files],
        [Picture(str(file), content=file.read_bytes()) for file in files],
        [
            Picture(str(tar), None, info.name, offset=info.offset_data, size=info.size)
            for info in members
        ],
    ):
        made = list(facade.result_files(loaded, iter(given), batch_size=2, workers=2))
        assert [one.picture for one in made] == given
        for file, one in zip(files, made, strict=True):
            if file.name == "d.png":
                assert one.content is None
                assert "d.png: damaged image" in str(one.error)
                continue
            written = tmp_path / "out" / file.with_suffix(one.suffix).name
            assert one.content == written.read_bytes()


def test_a_picture_that_memory_has_no_room_for_stops_no_other(model, pictures, monkeypatch):
    loaded = facade.load(model)
    finished = Translator.finished

    def short_of_memory(self, output, given):
        if given.size == (40, 64):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return finished(self, output, given)

    monkeypatch.setattr(Translator, "finished", short_of_memory)
    names = ("a.png", "b.jpg", "c.PNG")
    given = [Picture(str(pictures / name)) for name in names]
    first, second, third = facade.result_files(loaded, given)
    assert "b.jpg: not enough memory for 64 x 40 px" in str(second.error)
    assert first.content
    assert third.content


def test_what_concerns_every_result_stops_all(model, pictures, monkeypatch):
    loaded = facade.load(model)

    def full(*_):
        raise ImtransError("no space left on device")

    monkeypatch.setattr("imtrans.translation.result_files.encode_like", full)
    with pytest.raises(ImtransError, match="no space left"):
        list(facade.result_files(loaded, [Picture(str(pictures / "a.png"))]))
