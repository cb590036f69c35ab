"""What the tests of this plugin share: images, shards of them, and the command line."""

import sys
import tarfile

import pytest
from drawn import draw_picture


@pytest.fixture
def imtrans(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty working folder; returns (exit code, stdout, stderr)."""
    from imtrans.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["imtrans", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """24 images of 32 px, and two of which a network takes long enough to be killed meanwhile."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(26):
        size = (32, 32) if number < 24 else (768, 768)
        draw_picture(number, size).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def pack(photos):
    """Packs images, by their numbers, into a tar file, as KEY.source.png or KEY.png."""

    def packed(tar, numbers, field="source."):
        tar.parent.mkdir(exist_ok=True, parents=True)
        with tarfile.open(tar, "w") as archive:
            for number in numbers:
                archive.add(photos / f"{number:03}.png", f"{number:03}.{field}png")
        return tar

    return packed


@pytest.fixture
def unpack():
    """The members of a tar file: (name, bytes), in their order."""

    def unpacked(tar):
        with tarfile.open(tar) as archive:
            return [(info.name, archive.extractfile(info).read()) for info in archive]

    return unpacked
