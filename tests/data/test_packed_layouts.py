"""Pairs in tar files, and what is told when one is wrong."""

import io
import tarfile

import pytest
from drawn import draw_picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stored_pairs import (
    content,
    names,
    pack,
    pack_special,
    told,
    touch,
)

from imtrans.api.errors import ImtransError
from imtrans.api.tars.index import split_name
from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.shards import Shards


def two(key="001"):
    return f"{key}.source.png", f"{key}.target.png"


LONG = "folder/" * 20 + "x" * 120
HUGE_NAMES = ["ä" * 60 + "/" + "ß" * 40, LONG, "plain", "sub/plain"]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_is_read_where_the_index_says(tmp_path, format):
    pack(tmp_path / "train-0.tar", *(m for key in HUGE_NAMES for m in two(key)), format=format)
    pairs = Shards(str(tmp_path)).pairs("train")
    assert names(pairs) == sorted(HUGE_NAMES)
    for pair in pairs:
        assert content(pair.a[0]) == pair.a[0].member.encode() == f"{pair.name}.source.png".encode()
        assert content(pair.b[0]) == pair.b[0].member.encode()


@given(
    st.dictionaries(
        st.lists(st.text("abä ", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join),
        st.tuples(st.binary(max_size=2000), st.binary(max_size=2000)),
        min_size=1,
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]),
    st.integers(1, 3),
)
def test_whatever_is_packed_is_found_again(tmp_path_factory, packed, format, shards):
    root = tmp_path_factory.mktemp("shards")
    keys = list(packed)
    for shard in range(shards):
        members = [
            (f"{key}.{side}.png", packed[key][place])
            for key in keys[shard::shards]
            for place, side in enumerate(("source", "target"))
        ]
        pack(root / f"train-{shard}.tar", *members, format=format)
    pairs = Shards(str(root)).pairs("train")
    assert names(pairs) == sorted(packed)
    assert {p.name: (content(p.a[0]), content(p.b[0])) for p in pairs} == packed


def test_a_member_that_holds_both_sides_is_two_halves(tmp_path):
    pack(tmp_path / "train-0.tar", "001.pair.jpg", *two("002"))
    one, other = Shards(str(tmp_path)).pairs("train")
    assert (one.a[0].half, one.b[0].half) == ("left", "right")
    assert one.a[0].offset == one.b[0].offset
    assert other.a[0].half is None


def test_partners_may_lie_in_different_tar_files(tmp_path):
    pack(tmp_path / "train-a.tar", "001.source.png")
    pack(tmp_path / "train-b.tar", "001.target.png")
    pair = Shards(str(tmp_path)).pairs("train")[0]
    assert pair.a[0].path == str(tmp_path / "train-a.tar")
    assert pair.b[0].path == str(tmp_path / "train-b.tar")


def test_what_is_no_side_of_a_pair_is_passed_over(tmp_path):
    more = ("001.json", "001.source.txt", "._001.source.png", ".x/001.source.png", "001.mask.png")
    pack(tmp_path / "train-0.tar", *more, *two())
    pack_special(tmp_path / "train-0.tar", tarfile.DIRTYPE, "sub", "")
    pack_special(tmp_path / "train-0.tar", tarfile.SYMTYPE, "latest.txt", "001.json")
    assert names(Shards(str(tmp_path)).pairs("train")) == ["001"]


def test_what_tar_packs_from_a_folder_is_read(tmp_path):
    touch(*(tmp_path / "data" / "sub" / name for name in two()))
    with tarfile.open(tmp_path / "train-0.tar", "w") as archive:
        archive.add(tmp_path / "data", ".")
    assert names(Shards(str(tmp_path)).pairs("train")) == ["sub/001"]


def test_sides_may_have_any_word_or_be_a_suffix(tmp_path):
    pack(tmp_path / "train-0.tar", "1.photo.png", "1.label.png")
    assert len(Shards(str(tmp_path), source="photo", target="label").pairs("train")) == 1
    pack(tmp_path / "val-0.tar", "1.jpg", "1.png")
    assert len(Shards(str(tmp_path), source="jpg", target="png").pairs("val")) == 1
    assert Shards(str(tmp_path), source="", target="jpg").pairs("val")[0].a == ()


@pytest.mark.parametrize(("source", "target"), [("x", "x"), ("pair", "x"), ("x", "")])
def test_sides_must_be_told_apart(tmp_path, source, target):
    with pytest.raises(ImtransError, match="must be two words"):
        Shards(str(tmp_path), source=source, target=target)


@given(st.sampled_from(["", "f/", "./f/", "f//g/"]), st.sampled_from(["a", "a b"]))
def test_a_key_ends_at_the_first_dot_of_the_file_name(folder, key):
    made, field = split_name(f"{folder}{key}.source.PNG")
    assert made == f"{folder}{key}".replace("./", "").replace("//", "/")
    assert field == "source"


def test_tar_files_may_be_named_by_a_range(tmp_path):
    for number in range(8, 12):
        pack(tmp_path / f"train-{number:03d}.tar", *two(str(number)))
    layout = Shards(str(tmp_path), files="train-{009..011}.tar")
    assert names(layout.pairs("train")) == ["10", "11", "9"]
    assert layout.has("train")
    assert not layout.has("val")
    assert "holds the split 'train' only; 'val' is not there" in told(layout, "val")
    said = told(Shards(str(tmp_path), files="{split}-{010..013}.tar"))
    assert "2 are missing: train-012.tar, train-013.tar" in said
    assert "the range is empty" in told(Shards(str(tmp_path), files="{split}-{2..1}.tar"))


@pytest.mark.parametrize(
    "files",
    [
        "t-{000..999999999}.tar",
        "{split}-{0..1000000}.tar",
        f"t-{{0..{'9' * 5000}}}.tar",
        f"t-{{{'9' * 5000}..1}}.tar",
    ],
    ids=["many", "one too many", "digits", "digits of the first"],
)
def test_a_range_without_end_is_refused_before_it_is_made(tmp_path, files):
    said = told(Shards(str(tmp_path), files=files))
    assert said.endswith("a range of more than 1,000,000 files")
    assert len(said) < 200


def test_a_range_as_long_as_allowed_is_looked_through(tmp_path, monkeypatch):
    monkeypatch.setattr("imtrans.components.layouts.shards.MOST", 3)
    pack(tmp_path / "t-1.tar", *two())
    assert "2 are missing: t-2.tar, t-3.tar" in told(Shards(str(tmp_path), files="t-{1..3}.tar"))
    assert "more than 3 files" in told(Shards(str(tmp_path), files="t-{1..4}.tar"))


@pytest.mark.parametrize(
    "files",
    ["/**/*.tar", "../*.tar", "a/../../*.tar", "a\\..\\..\\*.tar", "C:/*.tar", "..", "\\\\h\\*"],
)
def test_a_pattern_that_leads_out_of_the_root_is_refused(tmp_path, files):
    pack(tmp_path / "train-0.tar", *two())
    (tmp_path / "root").mkdir()
    layout = Shards(str(tmp_path / "root"), files=files)
    assert "leads out of" in told(layout)
    with pytest.raises(ImtransError, match="leads out of"):
        layout.has("train")


def test_a_split_that_leads_out_of_the_root_is_refused(tmp_path):
    assert "leads out of" in told(Shards(str(tmp_path), files="{split}/*.tar"), "../x")


def test_tar_files_may_lie_in_folders_below(tmp_path):
    pack(tmp_path / "[x]" / "train" / "0.tar", *two())
    assert len(Shards(str(tmp_path / "[x]"), files="**/{split}/*.tar").pairs("train")) == 1


def test_missing_tar_files_are_told_with_what_is_there(tmp_path):
    layout = Shards(str(tmp_path))
    assert "train-*.tar: no such file, and no tar file beside it" in told(layout)
    pack(tmp_path / "other.tar", *two())
    assert "holds other.tar: name them in 'files'" in told(layout)
    pack(tmp_path / "train.tar", *two())
    assert 'train.tar is there: use files = "{split}.tar"' in told(layout)


def test_a_member_without_partner_is_refused(tmp_path):
    pack(tmp_path / "train-0.tar", *two("001"), "002.source.png", "003.target.png")
    said = told(Shards(str(tmp_path)))
    assert f"2 members have no partner: {tmp_path}/train-0.tar/002.source.png, " in said
    assert "KEY.source.EXT and KEY.target.EXT or KEY.pair.EXT" in said


def test_a_key_that_stands_twice_is_refused(tmp_path):
    pack(tmp_path / "train-0.tar", *two("001"))
    pack(tmp_path / "train-1.tar", "001.source.jpg")
    said = told(Shards(str(tmp_path)))
    assert "train-1.tar: '001.source.jpg' is one side of '001', and so is " in said
    assert f"{tmp_path}/train-0.tar/001.source.png. remove one" in said


def test_a_tar_file_without_pairs_is_told_with_what_it_holds(tmp_path):
    pack(tmp_path / "train-0.tar", "001.jpg", "001.png")
    said = told(Shards(str(tmp_path)))
    assert "no members KEY.source.EXT or KEY.target.EXT or KEY.pair.EXT" in said
    assert "found '001.jpg', '001.png'" in said
    pack(tmp_path / "train-0.tar")
    assert "it holds no files" in told(Shards(str(tmp_path)))


@pytest.mark.parametrize("name", ["/etc/001.source.png", "a/../../001.source.png", "../x.png"])
def test_a_member_that_leads_elsewhere_is_refused(tmp_path, name):
    pack(tmp_path / "train-0.tar", name)
    said = told(Shards(str(tmp_path)))
    assert f"train-0.tar: '{name}' would leave the folder it is unpacked to" in said


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_is_refused(tmp_path, kind):
    pack_special(pack(tmp_path / "train-0.tar", *two("000")), kind)
    said = told(Shards(str(tmp_path)))
    assert "train-0.tar: '001.source.png' is a link to '000.source.png'. pack the files" in said


def test_a_member_that_is_no_file_is_refused(tmp_path):
    pack_special(pack(tmp_path / "train-0.tar", *two("000")), tarfile.FIFOTYPE)
    assert "'001.source.png' is not a plain file" in told(Shards(str(tmp_path)))


@pytest.mark.parametrize(("mode", "kind"), [("w:gz", "gzip"), ("w:bz2", "bzip2"), ("w:xz", "xz")])
def test_a_compressed_tar_file_is_refused(tmp_path, mode, kind):
    with tarfile.open(tmp_path / "train-0.tar", mode):
        pass
    assert f"train-0.tar: compressed with {kind}" in told(Shards(str(tmp_path)))


def test_a_tar_file_cut_off_anywhere_is_refused(tmp_path):
    tar = pack(tmp_path / "train-0.tar", ("001.source.png", b"x" * 700), ("001.target.png", b"y"))
    whole = tar.read_bytes()
    end = 512 * (1 + 2 + 1 + 1)
    for length in [*range(0, end, 97), 512, 1536, 2048, end - 1, end, end + 100]:
        tar.write_bytes(whole[:length])
        said = told(Shards(str(tmp_path)))
        assert "train-0.tar: " in said
        assert "cut off" in said
    # From here on nothing is lost but padding.
    tar.write_bytes(whole[: end + 512])
    assert len(Shards(str(tmp_path)).pairs("train")) == 1


@pytest.mark.parametrize("where", [0, 512 * 4 + 3])
def test_a_damaged_header_is_not_passed_over(tmp_path, where):
    tar = pack(tmp_path / "train-0.tar", *two("001"), *two("002"))
    damaged = bytearray(tar.read_bytes())
    damaged[where] ^= 0xFF
    tar.write_bytes(damaged)
    assert "damaged" in told(Shards(str(tmp_path)))


def test_tar_files_joined_by_cat_are_refused(tmp_path):
    one, other = (pack(tmp_path / f"{key}.tar", *two(key)).read_bytes() for key in ("1", "2"))
    (tmp_path / "train-0.tar").write_bytes(one + other)
    assert "something follows its end, after '1.target.png'" in told(Shards(str(tmp_path)))


def test_pixels_packed_are_pixels_read(tmp_path):
    encoded = io.BytesIO()
    draw_picture(3, (40, 80)).save(encoded, "png")
    pack(tmp_path / "train-0.tar", ("1.source.png", encoded.getvalue()), "1.target.png")
    picture = Shards(str(tmp_path)).pairs("train")[0].a[0]
    with Image.open(io.BytesIO(content(picture))) as image:
        assert image.tobytes() == draw_picture(3, (40, 80)).tobytes()


@pytest.mark.parametrize("named", [{}, {"a": "A", "b": "B"}])
def test_a_file_list_that_is_not_there_is_told_as_one(tmp_path, named):
    for letter in "AB":
        (tmp_path / letter).mkdir()
        draw_picture(1, (8, 8)).save(tmp_path / letter / "1.png")
    with pytest.raises(ImtransError, match=r"val\.txt: no such file list"):
        Folders(str(tmp_path), **named).pairs("val.txt")
