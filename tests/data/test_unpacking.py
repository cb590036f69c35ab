"""Unpack archives that are damaged or malicious: nothing outside, nothing half, all named."""

import gzip
import io
import random
import tarfile

import pytest
from misbehaving import a_set, packed
from unpacking import Unpacking

from imtrans.data.fetching.members import HEADER, BadArchive, Budget, is_image
from imtrans.data.fetching.unpack import unpack


@pytest.fixture
def unpacked(tmp_path):
    return Unpacking(unpack, tmp_path)


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def with_mode(name, mode):
    info = tarfile.TarInfo(name)
    info.mode = mode
    return info


def with_header(name, **headers):
    info = tarfile.TarInfo(name)
    info.pax_headers = headers
    return info


GOOD = [("facades/train/1.jpg", b"1")]
FOLDER = None  # as the content of a member
# What is wrong: the member, its content, and how the message names it.
MALICIOUS = {
    "a path upwards": ("facades/../../up.jpg", b"", "facades/../../up.jpg"),
    "a path upwards at its start": ("../up.jpg", b"", "../up.jpg"),
    "a folder upwards": ("facades/train/..", FOLDER, "facades/train/.."),
    "an absolute path": ("/tmp/up.jpg", b"", "/tmp/up.jpg"),
    "an absolute folder": ("/tmp/up", FOLDER, "/tmp/up"),
    "an absolute path of Windows": ("C:/up.jpg", b"", "C:/up.jpg"),
    "a path upwards of Windows": ("facades\\..\\up.jpg", b"", "facades\\..\\up.jpg"),
    "a hidden stream of Windows": ("facades/1.jpg:evil", b"", "facades/1.jpg:evil"),
    "another folder": ("elsewhere/1.jpg", b"", "elsewhere/1.jpg"),
    "a control character": ("facades/\x1b[31m.jpg", b"", "facades/?[31m.jpg"),
    "a line break": ("facades/1\n.jpg", b"", "facades/1?.jpg"),
    "a very long name": (f"facades/{'n' * 250}.jpg", b"", f"facades/{'n' * 112}..."),
    "very many folders": (f"facades/{'d/' * 9}1.jpg", b"", f"facades/{'d/' * 9}1.jpg"),
    "a symbolic link": (special("facades/l.jpg", tarfile.SYMTYPE, "/x"), b"", "facades/l.jpg"),
    "a link to a folder": (special("facades/train", tarfile.SYMTYPE, "../.."), b"", "../.."),
    "a hard link": (special("facades/l.jpg", tarfile.LNKTYPE, "facades/x"), b"", "facades/l.jpg"),
    "a device": (special("facades/d.jpg", tarfile.CHRTYPE), b"", "facades/d.jpg"),
    "a block device": (special("facades/d.jpg", tarfile.BLKTYPE), b"", "facades/d.jpg"),
    "a pipe": (special("facades/p.jpg", tarfile.FIFOTYPE), b"", "facades/p.jpg"),
    "a pipe that is no image": (special("facades/p", tarfile.FIFOTYPE), b"", "facades/p"),
    "an odd kind": (special("facades/o.jpg", b"V"), b"", "facades/o.jpg"),
    "rights of another user": (with_mode("facades/s.jpg", 0o4755), b"", "facades/s.jpg"),
    "rights of another group": (with_mode("facades/s.jpg", 0o2755), b"", "facades/s.jpg"),
    "a name in a header": (with_header("facades/x.jpg", path="../up.jpg"), b"", "../up.jpg"),
    "a name twice": ("facades/train/1.jpg", b"", "facades/train/1.jpg"),
    "a file that was a folder": ("facades/folder.jpg", b"", "facades/folder.jpg"),
    "a folder that was a file": ("facades/train/1.jpg", FOLDER, "facades/train/1.jpg"),
    "a folder below a file": ("facades/train/1.jpg/2.jpg", b"", "facades/train/1.jpg/2.jpg"),
    "folders below a file": ("facades/train/1.jpg/a/2.jpg", b"", "facades/train/1.jpg/a/2.jpg"),
}


@pytest.mark.parametrize("wrong", MALICIOUS)
def test_what_is_no_plain_file_in_the_folder_is_refused_by_name(unpacked, wrong):
    member, content, shown = MALICIOUS[wrong]
    with pytest.raises(BadArchive) as caught:
        unpacked(packed([*GOOD, ("facades/folder.jpg", FOLDER), (member, content)]))
    assert f"'{shown}'" in str(caught.value)
    assert str(caught.value).isprintable()
    assert (unpacked.folder / "train/1.jpg").read_bytes() == b"1"


def test_rights_owners_and_folder_rights_of_the_archive_do_not_matter(unpacked):
    odd = with_mode("facades/train/2.jpg", 0o000)
    odd.uid = odd.gid = 12345
    assert unpacked(packed([*GOOD, (odd, b"2"), (with_mode("facades/val", 0o2000), None)])) == 0
    assert (unpacked.folder / "train/2.jpg").read_bytes() == b"2"


def test_a_leading_dot_and_missing_folders_are_no_matter(unpacked):
    members = [("./", None), ("./facades/./train//1.jpg", b"1")]
    assert unpacked(packed(members)) == 0
    assert (unpacked.folder / "train/1.jpg").read_bytes() == b"1"


def test_other_files_are_left_out_and_counted(unpacked):
    others = ["facades/readme.txt", "facades/train/._1.jpg", "facades/Thumbs.db", "facades/x"]
    assert unpacked(packed([*GOOD, *((name, b"x") for name in others)])) == 4
    files = [path for path in unpacked.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["1.jpg"]


def test_more_bytes_or_members_than_agreed_are_refused_before_they_are_written(unpacked):
    bomb = packed([*GOOD, ("facades/train/bomb.jpg", bytes(10**7))])
    assert len(bomb) < 10**5
    with pytest.raises(BadArchive, match=r"'facades/train/bomb.jpg' \(10 MB\) makes more bytes"):
        unpacked(bomb, Budget(10, 10**6))
    assert not (unpacked.folder / "train/bomb.jpg").exists()


def test_more_members_than_agreed_are_refused(unpacked):
    many = packed((f"facades/train/{index}.jpg", b"") for index in range(30))
    with pytest.raises(BadArchive, match="'facades/train/20.jpg' .* makes more members"):
        unpacked(many, Budget(20, 10**6))


def test_a_header_that_would_fill_the_memory_is_refused(unpacked):
    long_name = tarfile.TarInfo("facades/" + "d" * HEADER)
    with pytest.raises(BadArchive, match="a header of"):
        unpacked(packed([*GOOD, (long_name, b"x")]))


def test_headers_upon_headers_are_refused(unpacked):
    header = tarfile.TarInfo("facades/h")
    header.type, header.size = tarfile.XHDTYPE, 512
    blocks = (header.tobuf() + b"10 a=bcde\n".ljust(512, b"\0")) * 3000
    with pytest.raises(BadArchive, match="cut off, damaged"):
        unpacked(gzip.compress(blocks + bytes(1024)))


def test_an_archive_without_end_is_refused(unpacked):
    with pytest.raises(BadArchive, match="something follows its end"):
        unpacked(gzip.compress(packed(GOOD, "w:") + bytes(2**26)))


WHOLE = packed(a_set())


@pytest.mark.parametrize("length", [0, 1, 2, 10, 100, 30_000, len(WHOLE) - 9, len(WHOLE) - 1])
def test_a_cut_archive_is_told_wherever_it_is_cut(unpacked, length):
    with pytest.raises(BadArchive, match="cut off, damaged, or no .tar.gz"):
        unpacked(WHOLE[:length])


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_archive_is_told_wherever_it_is_damaged(unpacked, seed):
    damaged = bytearray(WHOLE)
    damaged[random.Random(seed).randrange(10, len(damaged))] ^= 0x10
    with pytest.raises(BadArchive):
        unpacked(bytes(damaged))


@pytest.mark.parametrize("keep", [512, 700, 21_000, -1024])
def test_a_tar_cut_before_it_was_packed_is_told(unpacked, keep):
    plain = packed(a_set(), "w:").rstrip(b"\0")
    cut = plain[:keep] if keep > 0 else plain[: len(plain) // 512 * 512 + 512]
    with pytest.raises(BadArchive, match="cut off, damaged"):
        unpacked(gzip.compress(cut))


def test_a_damaged_header_inside_is_not_taken_for_the_end(unpacked):
    members = [(f"facades/train/{index}.jpg", b"x" * 512) for index in range(4)]
    plain = bytearray(packed(members, "w:"))
    plain[1024 * 2 + 100] ^= 0xFF
    with pytest.raises(BadArchive, match=r"after 'facades/train/1.jpg' \(bad checksum"):
        unpacked(gzip.compress(bytes(plain)))


@pytest.mark.parametrize(
    "content", [b"<html>", b"PK\x03\x04" + bytes(99), gzip.compress(b"hello", mtime=0)]
)
def test_what_is_no_packed_tar_is_told(unpacked, content):
    with pytest.raises(BadArchive, match="no .tar.gz"):
        unpacked(content)


def test_something_behind_the_packed_end_is_told(unpacked):
    with pytest.raises(BadArchive, match="no .tar.gz"):
        unpacked(WHOLE + b"<html>the proxy is closing</html>")


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_formats_that_tar_writes_are_read(unpacked, real_data, format_):
    memory, source = io.BytesIO(), real_data / "edges2shoes"
    with tarfile.open(fileobj=memory, mode="w:gz", format=format_) as tar:
        tar.add(source, "facades")
    unpacked(memory.getvalue())
    images = [path for path in source.rglob("*") if is_image(path)]
    assert images
    for path in images:
        assert (unpacked.folder / path.relative_to(source)).read_bytes() == path.read_bytes()
