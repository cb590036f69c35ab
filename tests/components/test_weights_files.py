"""Weights of networks that metrics look through: a path, or a download from a server that cuts, has
another file, or is not there."""

import hashlib
import re
import socket

import pytest
import torch
from misbehaving import serving

from imtrans.api.errors import ImtransError
from imtrans.api.weights import (
    MissingWeights,
    folder,
    own_weights_file,
    read_weights,
    weights_file,
)
from imtrans.data.cache.store import home

CONTENT = bytes(range(256)) * 2000
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = serving(CONTENT)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def asked(server):
    """Asks for weights that the server has; returns their file."""
    url = f"{server.address}/net-1.pth"

    def call(given, sha256=SUM):
        return weights_file(given, name="Net", url=url, sha256=sha256)

    call.url = url
    return call


def refused(call, *arguments):
    with pytest.raises(ImtransError) as raised:
        call(*arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def kept():
    return sorted(path.name for path in folder().glob("*"))


@pytest.mark.parametrize("digits", [8, 64])
def test_weights_are_downloaded_once_and_then_found_without_asking(asked, server, digits):
    file = asked("download", SUM[:digits])
    assert file == folder() / "net-1.pth"
    assert file.read_bytes() == CONTENT
    assert asked("download", SUM[:digits]) == asked(None, SUM[:digits]) == file
    assert len(server.asked) == 1
    assert kept() == ["net-1.pth"]


def test_an_address_is_another_place_of_the_same_file(asked, server):
    assert asked(f"{server.address}/mirror/n.pth").read_bytes() == CONTENT
    assert server.asked[0][0] == "/pix2pix/mirror/n.pth"
    assert kept() == ["net-1.pth"]


def test_nothing_is_downloaded_unasked_and_the_line_says_all_that_is_needed(asked, server):
    said = refused(asked, None)
    for part in ("Net", asked.url, SUM, str(folder() / "net-1.pth"), 'weights = "download"'):
        assert part in said
    assert not server.asked


def test_a_path_is_taken_as_it_is(asked, tmp_path, monkeypatch):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"mine")
    assert asked(str(path)) == path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert asked("~/mine.pth") == path
    said = refused(asked, "nowhere.pth")
    assert said.startswith("'nowhere.pth' is no file")
    assert asked.url in said
    assert SUM in said


def test_weights_of_ones_own_are_a_path_or_an_address_and_have_their_sha256(server, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    address = f"{server.address}/other/mine.pth"

    def own(given, sha256=SUM):
        return own_weights_file(given, name="Net", sha256=sha256)

    assert own(str(path)) == path
    for _ in range(2):
        assert own(address) == folder() / f"{SUM[:16]}-mine.pth"
    assert len(server.asked) == 1
    for given in (str(path), address):
        assert f"its sha256 is {SUM}, not {'0' * 64}" in refused(own, given, "0" * 64)
    assert "belongs to a path or an address" in refused(own, "download")
    assert "a query ('?...') is not taken" in refused(own, f"{address}?signature=1")
    with pytest.raises(MissingWeights, match=r"'no\.pth' is no file; it should hold .* Net"):
        own("no.pth")


def test_another_file_is_not_kept(asked, server):
    server.content = CONTENT[:-1] + b"x"
    other = hashlib.sha256(server.content).hexdigest()
    assert f"its sha256 is {other}, not {SUM}" in refused(asked, "download")
    assert kept() == []


def test_a_file_that_has_changed_is_noticed_and_downloaded_again(asked):
    file = asked("download")
    file.write_bytes(b"other")
    assert f"'{file}' is another file" in refused(asked, None)
    assert asked("download").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_server_without_the_file_is_one_line(asked, server, status):
    server.statuses = [status]
    assert f"{asked.url}: answered {status}" in refused(asked, "download")
    assert kept() == []


def test_a_download_that_is_cut_off_is_not_kept(asked, server):
    server.cuts = [100_000]
    said = refused(asked, "download")
    assert "100,000 of 512,000 bytes" in said
    assert kept() == []
    server.length, server.cuts = None, [100_000]  # it does not say how long it is
    assert "its sha256 is" in refused(asked, "download")
    assert kept() == []


def test_a_server_that_cannot_be_reached_is_one_line(asked):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    said = refused(asked, f"http://127.0.0.1:{port}/net.pth")
    assert re.search(r"cannot be downloaded to '.*net-1\.pth': .*refused", said)
    assert "cannot be downloaded" in refused(asked, "http://127.0.0.1:no/net.pth")
    assert kept() == []


def test_a_folder_that_cannot_be_made_is_one_line(asked, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMTRANS_CACHE", str(tmp_path / "file"))
    assert "cannot be downloaded" in refused(asked, "download")


def test_downloads_are_beside_the_caches(monkeypatch, tmp_path):
    assert folder() == home() / "weights"
    monkeypatch.delenv("IMTRANS_CACHE")
    assert folder() == home() / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == home() / "weights"


class Harmful:
    def __reduce__(self):
        return print, ("code of a file was run",)


def test_no_code_in_a_file_is_run(tmp_path, capsys):
    path = tmp_path / "weights.pth"
    torch.save({"weight": Harmful()}, path)
    with pytest.raises(ImtransError, match="cannot be read as the weights of Net"):
        read_weights(path, "Net")
    assert capsys.readouterr().out == ""
