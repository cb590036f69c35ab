"""Shards over HTTP, from a server that misbehaves: what is tried again, and what is said."""

import os
import time

import pytest
from range_server import serving_ranges
from stored_pairs import names, pack

from imtrans.api.addresses import holds_secrets, is_address, without_secrets
from imtrans.api.errors import ImtransError
from imtrans.api.remote import faults, kept
from imtrans.components.layouts.shards import Shards
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.header import header
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable

pytest.importorskip("aiohttp")
RANGE = "{split}-{0..1}.tar"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = serving_ranges()
    folder = tmp_path_factory.mktemp("tars")
    for number in range(2):
        members = (f"{number}{key}.{side}.png" for key in "ab" for side in ("source", "target"))
        tar = pack(folder / "tar", *members)
        server.files[f"/set/train-{number}.tar"] = tar.read_bytes()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setattr(faults, "PAUSES", (0.01, 0.01))
    running.faults, running.always, running.asked, running.etag = [], None, [], '"1"'
    return running


def shards(server, files=RANGE, **options):
    return Shards(f"{server.address}/set", files=files, **options)


def said_of(layout):
    with pytest.raises(ImtransError) as caught:
        layout.pairs("train")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read(picture):
    return picture.store.read(picture.offset, picture.size)


def test_members_are_read_by_their_ranges(server):
    layout = shards(server)
    pairs = layout.pairs("train")
    assert names(pairs) == ["0a", "0b", "1a", "1b"]
    for pair in pairs:
        server.asked = []
        assert read(pair.a[0]) == f"{pair.name}.source.png".encode()
        assert read(pair.b[0]) == f"{pair.name}.target.png".encode()
        assert len(server.asked) == 1  # neighbours are read at once
        assert read(pair.b[0]) == f"{pair.name}.target.png".encode()
        assert len(server.asked) == 1  # from the local cache
    assert layout.has("train")
    assert not layout.has("val")


def test_the_index_is_kept_until_the_file_changes(server):
    assert len(shards(server).pairs("train")) == 4
    server.asked = []
    assert len(shards(server).pairs("train")) == 4
    assert {wanted for _, wanted in server.asked} == {"bytes=0-0"}  # is it still the same?
    server.asked, server.etag = [], '"new"'
    assert len(shards(server).pairs("train")) == 4
    assert len(server.asked) == 4


@pytest.mark.parametrize("fault", [500, 503, 429, "cut off", "another part"])
def test_what_may_pass_is_tried_again(server, fault):
    pairs = shards(server, cache_limit=0).pairs("train")
    server.faults = [fault, fault]
    assert read(pairs[0].a[0]) == b"0a.source.png"
    server.faults = [fault] * 3
    with pytest.raises(ImtransError, match=r"\(3 attempts\)\. look at the network"):
        read(pairs[1].a[0])
    assert server.faults == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (404, "no such file there"),
        (403, "no permission to read it (answered 403"),
        (400, "answered 400"),
        ("all of it", "it ignores 'Range'"),
        ("another version", "it has changed since this run began"),
        ("another length", "it has changed since this run began"),
        (412, "it has changed since this run began"),
    ],
)
def test_what_no_attempt_mends_is_said_at_once(server, fault, said):
    pairs = shards(server, cache_limit=0).pairs("train")
    server.asked, server.always = [], fault
    with pytest.raises(ImtransError) as caught:
        read(pairs[0].a[0])
    assert said in str(caught.value)
    assert len(server.asked) == 1


def test_a_picture_that_cannot_be_read_is_named_with_the_reason(server):
    pairs = shards(server, cache_limit=0).pairs("train")
    server.always = 503
    with pytest.raises(ImtransError) as caught:
        decode(pairs[0].a[0], PixelSpec())
    member = f"{server.address}/set/train-0.tar/0a.source.png"
    assert str(caught.value) == (
        f"{member}: answered 503 Service Unavailable (3 attempts). look at the network and the "
        "server; the same command tries again"
    )
    with pytest.raises(ImtransError, match="^answered 503"):
        header(pairs[0].a[0])


def test_a_server_that_cannot_send_parts_is_known_at_the_start(server):
    server.always = "all of it"
    assert "it ignores 'Range'" in said_of(shards(server))
    assert {wanted for _, wanted in server.asked} == {"bytes=0-0"}


def test_a_server_that_answers_too_late_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr("imtrans.api.remote.file_system.SILENCE", 0.1)
    server.faults = ["slow"] * 6
    begun = time.monotonic()
    assert "no answer in time (3 attempts)" in said_of(shards(server))
    assert time.monotonic() - begun < 5


def test_a_server_that_is_not_there_is_said(server, monkeypatch):
    said = said_of(Shards("http://127.0.0.1:1/set", files=RANGE))
    assert said.startswith("http://127.0.0.1:1/set/train-")
    assert "(3 attempts)" in said


def test_a_missing_file_of_a_range_is_said(server):
    said = said_of(shards(server, "{split}-{0..3}.tar"))
    assert "2 are missing: train-2.tar, train-3.tar" in said
    assert "no such file" in said_of(shards(server, "{split}-{4..5}.tar"))


def test_nothing_can_be_listed_over_http(server):
    said = said_of(shards(server, "{split}-*.tar"))
    assert "over HTTP nothing can be listed; name the files by a range, as in layout = {" in said


def test_a_split_that_we_may_not_read_is_not_there(server):
    server.always = 403  # as S3 answers over HTTP for what is not there
    assert not shards(server).has("val")
    assert "no permission" in said_of(shards(server))


def test_what_is_no_tar_file_is_said(server):
    server.files["/set/odd.tar"] = b"<html>" * 300
    assert "odd.tar: no tar file, or cut off" in said_of(shards(server, "odd.tar"))


def test_the_local_cache_stays_below_its_limit(server, tmp_path, monkeypatch):
    pairs = shards(server, cache_limit=4e-6).pairs("train")  # 4 kB; a pair is 1 kB and more
    for pair in pairs:
        assert read(pair.a[0]) == f"{pair.name}.source.png".encode()
    files = [path for path in (tmp_path / "caches" / "remote").rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) <= 4000


def test_what_is_damaged_in_the_local_cache_is_read_again(server, tmp_path):
    pair = shards(server).pairs("train")[0]
    assert read(pair.a[0]) == b"0a.source.png"
    (path,) = [path for path in (tmp_path / "caches" / "remote").rglob("*") if path.is_file()]
    content = path.read_bytes()
    path.write_bytes(b"x" + content[1:])
    server.asked = []
    assert read(shards(server).pairs("train")[0].a[0]) == b"0a.source.png"
    assert path.read_bytes() == content
    os.truncate(path, 10)
    assert read(shards(server).pairs("train")[0].a[0]) == b"0a.source.png"


def test_no_cache_is_as_good(server, monkeypatch):
    monkeypatch.setattr(kept, "whole_file", lambda *_: (_ for _ in ()).throw(OSError()))
    assert read(shards(server).pairs("train")[0].a[0]) == b"0a.source.png"


@pytest.mark.parametrize(
    "address",
    ["https://me:hush@host/set", "https://host/set?X-Amz-Signature=hush", "s3://k:hush@b/c"],
)
def test_secrets_are_in_no_recipe_and_in_no_error(address, tiny_file):
    assert holds_secrets(address)
    assert "hush" not in without_secrets(f"at {address}: refused")
    with pytest.raises(ValueError, match="a password or a query") as caught:
        DataTable(root=address)
    assert "hush" not in str(caught.value.errors()[0]["msg"])
    with pytest.raises(ImtransError, match="a password or a query") as refused:
        recipes.read(tiny_file, [f"data.root={address}"], catalog())
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("path", ["C:\\data", "C://data", "data/s3:/x", "./s3://x", "data?x@y", ""])
def test_a_path_is_no_address(path):
    assert not is_address(path)
    assert not holds_secrets(path)


def test_other_layouts_say_that_they_read_no_addresses(imtrans, tmp_path, tiny_file):
    text = tiny_file.read_text()
    root = (tmp_path / "pairs").as_posix()
    tiny_file.write_text(text.replace(f'"{root}"', '"s3://bucket/folder"'))
    for command in (["check", tiny_file], ["train", tiny_file], ["data", "check", tiny_file]):
        code, out, err = imtrans(*command)
        assert code in (1, 2)
        assert "only the layout 'shards' reads addresses" in out + err
        assert "Traceback" not in out + err
    code, _, err = imtrans("init", "s3://bucket/folder")
    assert code == 2
    assert err.startswith("error: s3://bucket/folder: only folders of this machine")
    code, _, err = imtrans("data", "check", "s3://bucket/folder")
    assert code == 2
    assert err.startswith("error: s3://bucket/folder: name a recipe")


def test_without_fsspec_the_command_is_said(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    monkeypatch.setattr("imtrans.api.remote.file_system._made", {})
    assert 'pip install "imtrans[remote]"' in said_of(shards(server))
