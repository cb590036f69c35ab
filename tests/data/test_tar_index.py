"""The places of members: as tarfile finds them, kept, and found again when they are not sound."""

import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_pairs import names, pack

from imtrans.api.errors import ImtransError
from imtrans.api.tars import index as tar_index
from imtrans.api.tars.members import TarWindow, members
from imtrans.components.layouts.shards import Shards
from imtrans.data.identity import files_sum
from imtrans.data.pairs import Some

SIDES = "source", "target"


def window(content, block=2**12, least=512):
    return TarWindow(lambda start, end: content[start:end], len(content), block=block, least=least)


KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 6 + [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE]
)
NAMES = st.one_of(
    st.text("ab/.é\udc80 ", min_size=1, max_size=12),
    st.integers(90, 270).map(lambda length: f"{'d' * (length // 2)}/{'n' * (length // 2)}"),
)


@given(
    st.lists(st.tuples(NAMES, KINDS, st.integers(0, 3000)), min_size=1, max_size=12),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]),
    st.booleans(),
    st.integers(512, 5000),
    st.binary(max_size=3),
)
def test_members_are_what_tarfile_finds(packed, format, globally, block, damage):
    memory = io.BytesIO()
    pax = {"comment": "of all"} if globally else {}
    with tarfile.open(fileobj=memory, mode="w", format=format, pax_headers=pax) as archive:
        for name, kind, size in packed:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, size if kind == tarfile.REGTYPE else 0
            info.linkname = "elsewhere" if kind == tarfile.SYMTYPE else ""
            try:
                archive.addfile(info, io.BytesIO(bytes(size)))
            except ValueError:  # too long for this format
                return
    content = memory.getvalue()
    with tarfile.open(fileobj=io.BytesIO(content), encoding="utf-8") as archive:
        wanted = [(i.name, i.offset_data, i.size) for i in archive if not i.isdir()]
    found = list(members("x.tar", window(content, block)))
    assert [one[:3] for one in found] == wanted
    # Wherever it is damaged, it is refused, or read as tarfile reads it.
    at = int.from_bytes(damage, "big") % len(content)
    damaged = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    try:
        found = [one[:3] for one in members("x.tar", window(damaged, block))]
    except ImtransError:
        return
    with tarfile.open(fileobj=io.BytesIO(damaged), encoding="utf-8") as archive:
        assert found == [(i.name, i.offset_data, i.size) for i in archive if not i.isdir()]


def test_large_members_are_skipped_and_small_ones_read_many_at_a_time(tmp_path):
    asked = []

    def counted(tar):
        content = tar.read_bytes()

        def fetch(start, end):
            asked.append(end - start)
            return content[start:end]

        asked.clear()
        return len(list(members("x", TarWindow(fetch, len(content), block=2**16, least=2**12))))

    assert counted(pack(tmp_path / "1", *((f"{n}.png", b"x" * 100) for n in range(500)))) == 500
    assert len(asked) < 15
    assert counted(pack(tmp_path / "2", *((f"{n}.png", bytes(2**18)) for n in range(20)))) == 20
    assert sum(asked) < 20 * 2**14


@pytest.fixture
def shard(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_index, "WORTH_KEEPING", 1)
    return pack(tmp_path / "train-0.tar", *(f"./f/{k}.{side}.png" for k in "abc" for side in SIDES))


def scans(monkeypatch):
    """What is scanned from now on."""
    scanned = []
    scan = members

    def counting(tar, *more):
        scanned.append(tar)
        return scan(tar, *more)

    monkeypatch.setattr(tar_index, "members", counting)
    return scanned


def found(shard):
    pairs = Shards(str(shard.parent)).pairs("train")
    assert names(pairs) == ["f/a", "f/b", "f/c"]
    return [(pair.a[0], pair.b[0]) for pair in pairs]


def test_a_tar_file_is_scanned_once_until_it_changes(shard, monkeypatch):
    scanned = scans(monkeypatch)
    first = found(shard)
    assert first[0][0].member == "./f/a.source.png"
    assert found(shard) == first
    assert len(scanned) == 1
    os.utime(shard, (1, 1))
    assert found(shard) == first
    assert len(scanned) == 2
    pack(shard, *(f"{key}.{side}.png" for key in "xy" for side in SIDES))
    assert names(Shards(str(shard.parent)).pairs("train")) == ["x", "y"]


def test_an_index_that_is_not_sound_is_made_again(shard, tmp_path, monkeypatch):
    first = found(shard)
    (path,) = (tmp_path / "caches" / tar_index.FOLDER).iterdir()
    content = path.read_bytes()
    scanned = scans(monkeypatch)
    for damage in (
        b"",
        b"{}",
        content[:-9],
        b"x" + content[1:],
        content[:60] + b"x" + content[61:],
    ):
        path.write_bytes(damage)
        assert found(shard) == first
        assert path.read_bytes() == content
    assert len(scanned) == 5
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # nothing half written


def test_columns_that_do_not_belong_together_are_refused(shard, tmp_path):
    found(shard)
    (path,) = (tmp_path / "caches" / tar_index.FOLDER).iterdir()
    of = tar_index.json.loads(path.read_bytes().partition(b"\n")[0])["of"]
    for wrong in ({"images": 5}, {"keys": 3}, {"known": []}, {"images": "6"}, {"known": [["a"]]}):
        index = tar_index._read(path, of)
        about = {"images": 6, "keys": 18, "known": index.known, "others": []} | wrong
        values = b"".join(getattr(index, name).tobytes() for name, _ in tar_index.COLUMNS)
        try:
            assert tar_index._taken(about, memoryview(values + bytes(index.keys))) is None
        except (TypeError, ValueError):  # which is taken for damage
            continue


def test_the_sum_of_files_knows_what_is_paired_with_what(tmp_path):
    def summed(*members):
        tar = pack(tmp_path / "train-0.tar", *members)
        os.utime(tar, (1, 1))
        return files_sum(Shards(str(tmp_path)).pairs("train"))

    both = [(f"{key}.{side}.png", b"x") for key in "ab" for side in SIDES]
    whole = summed(*both)
    assert whole == summed(*both)
    assert whole != summed(both[0], both[3], both[2], both[1])
    assert whole != summed(("c.source.png", b"x"), ("c.target.png", b"x"), *both[2:])
    summed(*both)
    pairs = Shards(str(tmp_path)).pairs("train")
    sums = {files_sum(Some(pairs, chosen)) for chosen in ([0], [1], [0, 1], [1, 0])}
    assert len(sums | {whole}) == 5


def test_keys_in_two_tar_files_are_found_whatever_their_order(tmp_path):
    pack(tmp_path / "train-0.tar", *(f"{key}.{side}.png" for key in "db" for side in SIDES))
    pack(tmp_path / "train-1.tar", *(f"{key}.{side}.png" for key in "ca" for side in SIDES))
    pairs = Shards(str(tmp_path)).pairs("train")
    assert names(pairs) == ["a", "b", "c", "d"]
    assert [pair.a[0].member for pair in pairs] == [f"{key}.source.png" for key in "abcd"]
    pack(tmp_path / "train-2.tar", *(f"b.{side}.png" for side in SIDES))
    with pytest.raises(ImtransError, match=r"train-2.tar: 'b.target.png' is one side of 'b'"):
        Shards(str(tmp_path)).pairs("train")
