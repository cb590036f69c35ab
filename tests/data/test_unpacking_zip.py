"""ZIP files: CycleGAN's sets are fetched, and hostile or damaged archives refused."""

import random
import stat
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving import a_set, beside, zipped
from unpacking import PLENTY, Unpacking

from imtrans.data.fetching import sets
from imtrans.data.fetching.members import BadArchive, Budget
from imtrans.data.fetching.unpack_zip import unpack_zip

pytest_plugins = ["fetching_fixtures"]

SPLITS = ("trainA", "trainB", "testA", "testB")
HORSES = list(a_set("horse2zebra", SPLITS))
ARCHIVE = zipped(HORSES)  # 241 kB
FOLDER = Path("datasets/horse2zebra")


@pytest.fixture
def unpacked(tmp_path):
    return Unpacking(unpack_zip, tmp_path)


def entry(name, mode=0, **keys):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for key, value in keys.items():
        setattr(info, key, value)
    return info


GOOD = [("facades/trainA/1.jpg", b"1" * 1000)]
MALICIOUS = {
    "a path upwards": ("facades/../../up.jpg", b"", "facades/../../up.jpg"),
    "a folder upwards": ("facades/trainA/../", None, "facades/trainA/.."),
    "an absolute path": ("/tmp/up.jpg", b"", "/tmp/up.jpg"),
    "an absolute path of Windows": ("C:/up.jpg", b"", "C:/up.jpg"),
    "a path upwards of Windows": ("facades\\..\\up.jpg", b"", "facades\\..\\up.jpg"),
    "another folder": ("elsewhere/1.jpg", b"", "elsewhere/1.jpg"),
    "a control character": ("facades/\x1b[31m.jpg", b"", "facades/?[31m.jpg"),
    "a very long name": (f"facades/{'n' * 250}.jpg", b"", f"facades/{'n' * 112}..."),
    "very many folders": (f"facades/{'d/' * 9}1.jpg", b"", f"facades/{'d/' * 9}1.jpg"),
    "a symbolic link": (entry("facades/l.jpg", stat.S_IFLNK | 0o777), b"/etc", "facades/l.jpg"),
    "a link that is no image": (entry("facades/l", stat.S_IFLNK), b"../..", "facades/l"),
    "a pipe": (entry("facades/p.jpg", stat.S_IFIFO), b"", "facades/p.jpg"),
    "a device": (entry("facades/d.jpg", stat.S_IFCHR), b"", "facades/d.jpg"),
    "a folder that is a file": (entry("facades/d/", stat.S_IFREG), b"", "facades/d/"),
    "rights of another user": (entry("facades/s.jpg", 0o104755), b"", "facades/s.jpg"),
    "another packing": (entry("facades/b.jpg", compress_type=14), b"", "facades/b.jpg"),
    "a name twice": ("facades/trainA/1.jpg", b"", "facades/trainA/1.jpg"),
    "a folder below a file": ("facades/trainA/1.jpg/2.jpg", b"", "facades/trainA/1.jpg/2.jpg"),
}


@pytest.mark.parametrize("wrong", MALICIOUS)
def test_what_is_no_plain_file_in_the_folder_is_refused_by_name(unpacked, wrong):
    member, content, shown = MALICIOUS[wrong]
    with pytest.raises(BadArchive) as caught:
        unpacked(zipped([*GOOD, (member, content)]))
    assert f"'{shown}'" in str(caught.value)
    assert str(caught.value).isprintable()
    assert (unpacked.folder / "trainA/1.jpg").read_bytes() == b"1" * 1000


def patched(archive, place, form, value, start=b"PK\x01\x02"):
    """The archive with another number in its last record of a kind."""
    content = bytearray(archive)
    struct.pack_into(form, content, archive.rindex(start) + place, value)
    return bytes(content)


BOMB = zipped([*GOOD, ("facades/trainA/bomb.jpg", bytes(10**7))])


def test_more_bytes_than_agreed_are_refused_before_they_are_written(unpacked):
    assert len(BOMB) < 10**5
    with pytest.raises(BadArchive, match=r"'facades/trainA/bomb.jpg' \(10 MB\) makes more bytes"):
        unpacked(BOMB, Budget(10, 10**6))
    assert not (unpacked.folder / "trainA/bomb.jpg").exists()


def test_more_bytes_than_a_member_says_are_not_written(unpacked):
    with pytest.raises(BadArchive, match="cut off, damaged"):
        unpacked(patched(BOMB, 24, "<L", 5000), Budget(10, 10**6))
    assert sum(p.stat().st_size for p in unpacked.folder.rglob("*.jpg")) <= 6000


def test_fewer_bytes_than_a_member_says_are_told(unpacked):
    with pytest.raises(BadArchive, match="has 1000 of 2000 bytes"):
        unpacked(patched(zipped(GOOD), 24, "<L", 2000))


def test_members_that_share_their_bytes_are_refused_by_what_they_make(unpacked):
    # As in Fifield, "A better zip bomb", WOOT 2019: one body, named many times.
    content = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = content.compress(bytes(10**6)) + content.flush()
    name, checksum = b"facades/1.jpg", zlib.crc32(bytes(10**6))
    common = struct.pack("<HHHHHLLLHH", 20, 0, 8, 0, 0, checksum, len(body), 10**6, len(name), 0)
    listed = b"".join(
        b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + name
        for _ in range(50)
    )
    first = b"PK\x03\x04" + common + name + body
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50, 50, len(listed), len(first), 0)
    with pytest.raises(BadArchive):
        unpacked(first + listed + end, Budget(60, 5 * 10**6))
    assert sum(p.stat().st_size for p in unpacked.folder.rglob("*.jpg")) <= 10**6


def test_more_members_than_agreed_are_refused_before_they_are_listed(unpacked):
    many = zipped((f"facades/trainA/{index}.jpg", b"") for index in range(30))
    with pytest.raises(BadArchive, match="lists 30 members in .* more than such a set has"):
        unpacked(many, Budget(20, 10**6))
    # The number that is said is not what is believed.
    end = b"PK\x05\x06"
    with pytest.raises(BadArchive, match="lists 2 members in 2"):
        unpacked(patched(patched(many, 10, "<H", 2, end), 8, "<H", 2, end), Budget(20, 10**6))


def test_the_format_for_more_than_4_gb_is_refused_before_it_is_listed(unpacked):
    whole = zipped(GOOD)
    end = whole.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    with pytest.raises(BadArchive, match="more than 4 GB"):
        unpacked(whole[:end] + record + locator + whole[end:])


def test_what_is_encrypted_is_refused(unpacked):
    with pytest.raises(BadArchive, match="'facades/trainA/1.jpg' is encrypted"):
        unpacked(patched(zipped(GOOD), 8, "<H", 1))


def test_another_name_before_the_content_than_in_the_list_is_refused(unpacked):
    archive = bytearray(zipped(GOOD))
    archive[30:32] = b"XX"
    with pytest.raises(BadArchive, match="cut off, damaged"):
        unpacked(bytes(archive))


def test_a_name_that_goes_on_behind_a_zero_is_refused(unpacked):
    hidden = zipped([("facades/1.jpgX/../../up.sh", b"x")]).replace(b"1.jpgX", b"1.jpg\0")
    with pytest.raises(BadArchive, match="would be outside|no name for a file"):
        unpacked(hidden)


def test_other_files_are_left_out_and_counted_and_folders_are_made(unpacked):
    others = ["facades/readme.txt", "facades/trainA/._1.jpg", "facades/Thumbs.db"]
    members = [("facades", None), ("facades/trainB", None), *GOOD]
    assert unpacked(zipped([*members, *((name, b"x") for name in others)])) == 3
    assert [path.name for path in unpacked.folder.rglob("*") if path.is_file()] == ["1.jpg"]
    assert (unpacked.folder / "trainB").is_dir()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_packed_members_are_read(unpacked, compression):
    assert unpacked(zipped(HORSES, compression), top="horse2zebra") == 0
    for name, content in HORSES:
        if content is not None:
            assert (unpacked.folder / name.partition("/")[2]).read_bytes() == content


@pytest.mark.parametrize(
    "length", [0, 1, 21, 22, 100, 30_000, len(ARCHIVE) // 2, len(ARCHIVE) - 9, len(ARCHIVE) - 1]
)
def test_a_cut_archive_is_told_wherever_it_is_cut(unpacked, length):
    with pytest.raises(BadArchive, match="cut off, damaged, or no .zip"):
        unpacked(ARCHIVE[:length], top="horse2zebra")


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_archive_is_told_or_its_damage_does_not_matter(unpacked, seed):
    damaged = bytearray(ARCHIVE)
    draw = random.Random(seed)
    # Every third in the list of members, the others anywhere.
    first = ARCHIVE.index(b"PK\x01\x02") if seed % 3 == 0 else 0
    damaged[draw.randrange(first, len(damaged))] ^= 1 << draw.randrange(8)
    try:
        unpacked(bytes(damaged), top="horse2zebra")
    except BadArchive:
        return
    contents = {name.partition("/")[2]: content for name, content in HORSES}
    for path in unpacked.folder.rglob("*.jpg"):
        assert contents[str(path.relative_to(unpacked.folder))] == path.read_bytes()


@pytest.mark.parametrize("content", [b"<html>", b"\x1f\x8b" + bytes(99), b"PK\x03\x04" + bytes(99)])
def test_what_is_no_zip_is_told(unpacked, content):
    with pytest.raises(BadArchive, match="no .zip"):
        unpacked(content)


def test_something_behind_the_end_is_told(unpacked):
    with pytest.raises(BadArchive, match="it does not end as a ZIP file does"):
        unpacked(ARCHIVE + b"<html>the proxy is closing</html>", PLENTY, "horse2zebra")


# As the command fetches it


@pytest.fixture
def horses(imtrans, server, monkeypatch):
    """Fetch horse2zebra from the server, whose set is as big as what it serves."""
    known = replace(sets.SETS["horse2zebra"], size=len(ARCHIVE))
    monkeypatch.setitem(sets.SETS, "horse2zebra", known)
    server.content = ARCHIVE

    def call(*more):
        return imtrans("data", "fetch", "horse2zebra", *more, "--mirror", server.address)

    return call


def there():
    return {p.relative_to("datasets").as_posix(): p.read_bytes() for p in FOLDER.rglob("*.jpg")}


IMAGES = {name: content for name, content in HORSES if content is not None}


def test_a_set_of_cyclegan_is_fetched_and_read_as_unpaired(horses, server, imtrans):
    code, out, _ = horses()
    assert code == 0
    assert server.asked == [("/pix2pix/horse2zebra.zip", None, None)]
    assert there() == IMAGES
    assert beside(FOLDER) == []
    assert "datasets/horse2zebra, images: trainA 3, trainB 3, testA 3, testB 3" in out
    assert horses()[1].startswith("already there: datasets/horse2zebra")


def test_a_zip_that_was_cut_is_continued(horses, server):
    server.cuts = [70_000, 50_000]
    assert horses()[0] == 0
    assert [asked[1] for asked in server.asked] == [None, "bytes=70000-", "bytes=120000-"]
    assert there() == IMAGES


def test_a_zip_put_there_by_hand_needs_no_server_and_stays(horses, server):
    FOLDER.parent.mkdir()
    Path("datasets/horse2zebra.zip").write_bytes(ARCHIVE)
    assert horses()[0] == 0
    assert server.asked == []
    assert there() == IMAGES
    assert beside(FOLDER) == ["horse2zebra.zip"]


def test_a_zip_can_be_kept(horses):
    assert horses("--keep")[0] == 0
    assert Path("datasets/horse2zebra.zip").read_bytes() == ARCHIVE


def test_another_archive_than_a_zip_is_told_at_its_start(horses, server):
    server.content = b"<html>" + bytes(len(ARCHIVE))
    code, _, err = horses()
    assert code == 2
    assert "sends no .zip (it says 'nothing')" in err
    assert beside(FOLDER) == []


def test_a_zip_that_lacks_a_side_is_refused(horses, server):
    server.content = zipped(list(a_set("horse2zebra", SPLITS[:3], each=4)))
    code, _, err = horses()
    assert code == 2
    assert "holds no images in 'testB'" in err
    assert not FOLDER.exists()


def test_the_published_addresses_are_those_of_their_authors():
    berkeley = "http://efrosgans.eecs.berkeley.edu"
    for name, address in (
        ("facades", f"{berkeley}/pix2pix/datasets/facades.tar.gz"),
        ("horse2zebra", f"{berkeley}/cyclegan/datasets/horse2zebra.zip"),
    ):
        assert sets.SETS[name].address() == address
