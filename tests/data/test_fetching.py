"""Fetch a published set from a server that cuts, lies, changes its mind or is not there."""

import os
import socket
from itertools import count
from pathlib import Path

import pytest
from misbehaving import ARCHIVE, a_set, beside, packed, whole

from imtrans.data.fetching import download, sets, web
from imtrans.data.fetching.pace import Pace
from imtrans.data.fetching.partial import Note, Partial

pytest_plugins = ["fetching_fixtures"]


def test_a_set_is_fetched_where_its_recipe_looks_and_nothing_else_is_left(fetch, server):
    code, out, _ = fetch()
    assert code == 0
    assert whole()
    assert beside() == []
    assert "datasets/facades, images: train 3, val 3, test 3" in out
    assert "to train on it: imtrans train facades\n" in out
    assert server.asked == [("/pix2pix/facades.tar.gz", None, None)]


def test_a_set_that_is_there_is_not_fetched_again(fetch, server):
    fetch()
    code, out, _ = fetch()
    assert code == 0
    assert out.startswith("already there: datasets/facades")
    assert len(server.asked) == 1


def test_another_folder_is_named_in_the_command_to_train(fetch):
    code, out, _ = fetch("my sets/f", "--keep")
    assert code == 0
    assert whole(Path("my sets/f"))
    assert "imtrans train facades --set 'data.root=my sets/f'" in out
    assert Path("my sets/f.tar.gz").read_bytes() == ARCHIVE


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {"Last-Modified": "Sun, 02 Sep 2018"}, {}])
def test_a_download_cut_many_times_continues_where_it_stopped(fetch, server, headers):
    server.headers = headers
    server.cuts = [70_000, 1, 0, 50_000]
    code, out, _ = fetch()
    assert code == 0
    assert whole()
    validator = next(iter(headers.values()), None)
    assert [asked[1:] for asked in server.asked] == [
        (None, None),
        ("bytes=70000-", validator),
        ("bytes=70001-", validator),
        ("bytes=70001-", validator),
        ("bytes=120001-", validator),
    ]
    assert "70 kB of 181 kB so far (the connection ended); trying again" in out


def test_a_download_that_gets_no_further_ends_and_the_same_command_continues(fetch, server):
    server.cuts = [70_000] + [0] * 5
    code, _, err = fetch()
    assert code == 2
    assert "70 kB of 181 kB so far" in err
    assert "the same command continues" in err
    assert not Path("datasets/facades").exists()
    code, out, _ = fetch()
    assert code == 0
    assert "continuing after 70 kB" in out
    assert server.asked[-1][1] == "bytes=70000-"
    assert whole()


def test_tries_that_get_on_are_not_counted(fetch, server, monkeypatch):
    monkeypatch.setattr(download, "ENOUGH", 10_000)
    server.cuts = [15_000] * 10
    assert fetch()[0] == 0
    assert whole()


def test_a_server_without_ranges_starts_from_zero(fetch, server):
    server.cuts, server.ranges = [70_000], False
    code, out, _ = fetch()
    assert code == 0
    assert "starting from zero" in out
    assert whole()


def test_the_rest_of_another_version_is_not_put_behind_the_first(fetch, server):
    server.cuts = [70_000] + [0] * 5
    fetch()
    changed = list(a_set(length=21_000))
    server.content, server.headers = packed(changed), {"ETag": '"2"'}
    code, out, _ = fetch()
    assert code == 0
    assert "has another file now" in out
    assert whole(content=changed)


def test_what_came_from_another_address_is_not_continued(fetch, server, imtrans):
    server.cuts = [70_000] + [0] * 5
    fetch()
    code, out, _ = imtrans("data", "fetch", "facades", "--mirror", f"{server.address}/other.tgz")
    assert code == 0
    assert "is not from" in out
    assert server.asked[-1][:2] == ("/pix2pix/other.tgz", None)
    assert whole()


@pytest.mark.parametrize(
    "said", ["bytes 0-99/180000", "bytes 70000-80000/99", "nonsense", "bytes 60000-1/*"]
)
def test_an_answer_with_other_bytes_than_those_asked_for_is_refused(fetch, server, said):
    server.cuts, server.content_range = [70_000], said
    code, _, err = fetch()
    assert code == 2
    assert f"it sends '{said}'" in err
    assert Path("datasets/facades.tar.gz.partial").stat().st_size == 70_000
    server.content_range = None
    assert fetch()[0] == 0
    assert whole()


def test_a_length_said_too_long_is_found_out(fetch, server):
    server.length = len(ARCHIVE) + 1000
    code, _, _ = fetch()  # the server then says that there is nothing behind what came
    assert code == 0
    assert whole()


def test_a_length_said_too_short_is_found_out_and_the_next_try_is_clean(fetch, server):
    server.length = len(ARCHIVE) - 1000
    code, _, err = fetch()
    assert code == 2
    assert "cut off, damaged, or no .tar.gz after 'facades/test/" in err
    assert "it was removed; the same command fetches it again" in err
    assert beside() == []
    server.length = "true"
    assert fetch()[0] == 0
    assert whole()


def test_without_a_length_the_end_is_believed_and_the_archive_looked_at(fetch, server):
    server.length, server.cuts = None, [len(ARCHIVE) - 50]
    code, _, err = fetch()
    assert code == 2
    assert "cut off" in err
    assert fetch()[0] == 0
    assert whole()


@pytest.mark.parametrize(("length", "said"), [(50_000, "50 kB"), (10**9, "1.0 GB")])
def test_a_file_of_quite_another_size_is_refused_before_it_is_written(fetch, server, length, said):
    server.length = length
    code, _, err = fetch()
    assert code == 2
    assert f"has {said}, where about 181 kB are expected" in err
    assert beside() == []


def test_a_page_instead_of_the_archive_is_told_and_costs_nothing(fetch, server):
    server.cuts = [70_000] + [0] * 5
    fetch()
    server.content, server.headers = b"<html>log in" * 15_000, {"Content-Type": "text/html"}
    code, _, err = fetch()
    assert code == 2
    assert "sends no .tar.gz (it says 'text/html')" in err
    assert Path("datasets/facades.tar.gz.partial").stat().st_size == 70_000


def test_more_than_was_said_is_not_written(fetch, server):
    server.length, server.content = None, ARCHIVE * 2
    code, _, err = fetch()
    assert code == 2
    assert "sends more than" in err
    assert beside() == []


@pytest.mark.parametrize("status", [404, 403, 410, 401])
def test_a_server_that_has_no_such_file_is_named(fetch, server, status):
    server.statuses = [status]
    code, _, err = fetch()
    assert code == 2
    assert f"facades.tar.gz: answered {status}" in err
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(fetch, server):
    server.statuses = [503, 429]
    code, out, _ = fetch()
    assert code == 0
    assert "answered 503" in out
    assert whole()


def test_redirects_are_followed_to_web_addresses_alone(fetch, server):
    server.statuses = [(302, {"Location": "/elsewhere"})]
    assert fetch()[0] == 0
    assert [asked[0] for asked in server.asked] == ["/pix2pix/facades.tar.gz", "/elsewhere"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/again"])
def test_redirects_to_files_and_without_end_are_refused(fetch, server, target):
    server.statuses = [(302, {"Location": target})] * 30
    code, _, err = fetch()
    assert code == 2
    assert err.count("\n") == 1
    assert "root:" not in err
    assert beside() == []


def test_offline_it_says_what_to_do(imtrans, server):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        mirror = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        code, _, err = imtrans("data", "fetch", "facades", "--mirror", mirror)
    assert code == 2
    assert err.startswith(f"error: cannot reach {mirror}/facades.tar.gz: connection refused")
    assert "'datasets/facades.tar.gz'" in err
    assert "--mirror" in err
    assert err.count("\n") == 1


def test_a_silent_server_does_not_hold_it_forever(imtrans, server, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.05)
    monkeypatch.setattr(download, "PAUSES", (0.01,))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code, out, err = imtrans("data", "fetch", "facades", "--mirror", mirror)
    assert code == 2
    assert "no answer in time" in err


def test_a_proxy_of_the_environment_is_used(imtrans, server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert imtrans("data", "fetch", "facades")[0] == 0
    assert server.asked[0][0] == sets.SETS["facades"].address()


@pytest.mark.parametrize("status", [206, 416])
def test_a_range_of_numbers_without_end_is_no_range(fetch, server, status):
    server.cuts = [70_000] + [0] * 5
    fetch()
    digits = "9" * 5000
    server.statuses = [(status, {"Content-Range": f"bytes */{digits}"})]
    if status == 206:
        server.statuses = [(status, {"Content-Range": f"bytes 70000-{digits}/{digits}"})]
    code, out, err = fetch()
    assert (code == 2 and "it sends 'bytes 70000-" in err) or (code == 0 and whole())


@pytest.mark.parametrize(
    "note",
    [
        "[" * 5000,
        '{"address": "A", "length": "9"}',
        '{"address": "A", "length": -1}',
        f'{{"address": "A", "length": {"9" * 5000}}}',
        '{"address": "A", "etag": 1}',
        '{"address": "A", "modified": [1], "length": 9}',
        "[1]",
    ],
    ids=lambda note: note[:40],
)
def test_a_damaged_note_is_none(fetch, server, note):
    path = Path("datasets/facades.tar.gz.partial")
    path.parent.mkdir()
    path.write_bytes(ARCHIVE[:100])
    address = f"{server.address}/facades.tar.gz"
    path.with_name(f"{path.name}.json").write_text(note.replace('"A"', f'"{address}"'))
    code, out, err = fetch()
    assert (code, err) == (0, "")
    assert "starting from zero" in out
    assert whole()


def ticking(seconds):
    """A clock that goes on by so many seconds whenever it is read."""
    now = count(0.0, seconds)
    return lambda: next(now)


def test_a_server_that_sends_next_to_nothing_is_left_and_the_same_command_continues(
    fetch, server, monkeypatch
):
    monkeypatch.setattr(download, "CHUNK", 1000)  # 50 bytes a second
    monkeypatch.setattr(download, "Pace", lambda: Pace(ticking(20.0)))
    code, out, err = fetch()
    assert code == 2
    assert "3 kB of 181 kB so far, and it sends less than 1 kB a second" in err
    assert "the same command continues; --mirror URL names another server" in err
    assert "trying again" not in out
    assert len(server.asked) == 1
    monkeypatch.setattr(download, "Pace", Pace)
    assert fetch()[0] == 0
    assert server.asked[-1][1] == "bytes=3000-"
    assert whole()


@pytest.mark.parametrize(
    ("each", "seconds", "slow"),
    [
        (1000, 1.0, False),
        (999, 1.0, True),
        (1, 0.5, True),
        (29_000, 30.0, True),
        (30_000, 30.0, False),
        (1, 31.0, False),  # no server is waited for so long: the process was stopped
    ],
)
def test_a_pace_is_an_average_over_a_minute(each, seconds, slow):
    pace = Pace(ticking(seconds))
    assert any(pace.too_slow(each) for _ in range(300)) is slow


def test_headers_that_never_end_are_not_waited_for(fetch, server, monkeypatch):
    monkeypatch.setattr(web, "HEADERS", 0.03)
    server.drips = True
    code, _, err = fetch()
    assert code == 2
    assert "the same command continues" in err
    server.drips = False
    assert fetch()[0] == 0


def test_a_slow_minute_is_not_made_up_for_by_those_before_it():
    pace = Pace(ticking(1.0))
    assert not any(pace.too_slow(10**6) for _ in range(120))
    assert any(pace.too_slow(1) for _ in range(120))


def test_a_length_that_is_no_number_of_bytes_is_none(fetch, server):
    server.statuses = [(200, {"Content-Length": "9" * 5000})]  # no number of bytes
    code, _, err = fetch()
    assert code == 2
    assert "sends no .tar.gz" in err


@pytest.mark.parametrize("ending", [".partial", ".partial.json"])
def test_what_is_beside_a_set_is_never_written_through_a_link(fetch, tmp_path, ending):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    link = Path("datasets/facades.tar.gz" + ending)
    link.parent.mkdir()
    link.symlink_to(victim)
    code, _, err = fetch()
    assert code == 2
    assert f"'{link}' is a link, or no file at all" in err
    assert victim.read_text() == "mine"
    assert link.is_symlink()


def test_a_link_that_appears_meanwhile_is_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "a.tar.gz.partial"
    victim.write_text("mine")
    part = Partial(path, "http://a")
    path.symlink_to(victim)
    part.begin(Note("http://a", length=9))
    assert not path.is_symlink()
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        part.append(b"x")
    (tmp_path / f".{path.name}.json.partial").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        part.finish()
    assert victim.read_text() == "mine"


def test_a_pipe_beside_a_set_is_not_waited_for(fetch):
    pipe = Path("datasets/facades.tar.gz.partial.json")
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    assert "no file at all" in fetch()[2]
