"""Pairs in a table and in tar files, and what is told when one is wrong."""

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
    write_table,
)

from imtrans.api.errors import ImtransError
from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.shards import Shards, split_name
from imtrans.components.layouts.table import TableLayout

# A table


def test_a_table_says_which_files_belong_together(tmp_path):
    touch(tmp_path / "in" / "a, b.png", tmp_path / "out" / "1.png")
    write_table(tmp_path, "in/x.png,out/2.png", "", ' "in/a, b.png" ,out/1.png ')
    pairs = TableLayout(str(tmp_path)).pairs("train")
    assert names(pairs) == ["out/1", "out/2"]
    assert pairs[1].a[0].path == str(tmp_path / "in" / "x.png")


def test_a_side_may_be_several_pictures_in_the_order_of_the_recipe(tmp_path):
    write_table(tmp_path, "1.png,2.png,3.png", header="depth,photo,label")
    layout = TableLayout(str(tmp_path), source=["photo", "depth"], target="label")
    pair = layout.pairs("train")[0]
    assert [picture.path for picture in pair.a] == [str(tmp_path / n) for n in ("2.png", "1.png")]
    assert pair.name == "3"


def test_a_table_may_hold_targets_only(tmp_path):
    write_table(tmp_path, "1.png", header="target")
    assert TableLayout(str(tmp_path), source=[]).pairs("train")[0].a == ()


def test_a_column_tells_the_splits(tmp_path):
    write_table(
        tmp_path, "1.png,2.png,train", "3.png,4.png,val", header="\ufeffsource,target,split"
    )
    layout = TableLayout(str(tmp_path))
    assert names(layout.pairs("val")) == ["4"]
    assert layout.has("val")
    assert not layout.has("test")
    assert (
        "no rows of split 'vall'; did you mean 'val'?; the column 'split' has 'train' (1 row"
        in (told(layout, "vall"))
    )


def test_without_that_column_every_row_is_in_train(tmp_path):
    write_table(tmp_path, "1.png,2.png")
    layout = TableLayout(str(tmp_path))
    assert not layout.has("val")
    assert "without a column 'split' every row is in 'train'" in told(layout, "val")


def test_a_column_that_is_nearly_called_split_is_not_passed_over(tmp_path):
    write_table(tmp_path, "1.png,2.png,val", header="source,target,Split")
    assert "line 1: no column 'split'; did you mean 'Split'?" in told(TableLayout(str(tmp_path)))


def test_a_table_may_be_separated_by_tabs(tmp_path):
    write_table(tmp_path, "1.png\t2.png", file="some.tsv", header="source\ttarget")
    assert names(TableLayout(str(tmp_path), file="some.tsv").pairs("train")) == ["2"]


def test_a_column_may_name_the_pairs(tmp_path):
    write_table(tmp_path, "1.png,3.png,x", "2.png,3.png,y", header="source,target,id")
    assert names(TableLayout(str(tmp_path), names="id").pairs("train")) == ["x", "y"]
    said = told(TableLayout(str(tmp_path)))
    assert "line 3: the name '3.png' is in line 2 already. remove one, or name the" in said


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/../b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    write_table(tmp_path, f"1.png,2.png,{name}", header="source,target,id")
    said = told(TableLayout(str(tmp_path), names="id"))
    assert f"line 2: column 'id': '{name}' cannot name a pair" in said


def test_files_outside_of_the_root_have_names_below_it(tmp_path):
    touch(tmp_path / "other" / "1.png", tmp_path / "other" / "2.png", tmp_path / "root" / "3.png")
    write_table(
        tmp_path / "root",
        f"{tmp_path}/other/1.png,../other/1.png",
        f"../other/1.png,{tmp_path}/other/2.png",
        f"../other/1.png,{tmp_path}/root/3.png",
    )
    pairs = TableLayout(str(tmp_path / "root")).pairs("train")
    assert names(pairs) == ["3", "other/1", "other/2"]
    assert pairs[2].b[0].path == f"{tmp_path}/other/2.png"


def test_targets_of_one_name_keep_their_suffix(tmp_path):
    write_table(tmp_path, "s.png,1.png", "s.png,1.jpg")
    touch(tmp_path / "1.jpg")
    assert names(TableLayout(str(tmp_path)).pairs("train")) == ["1.jpg", "1.png"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("sorce,target", "line 1: no column 'source'; did you mean 'sorce'?; the columns are"),
        ("source|target", "no column 'source', 'target'; did you mean 'source|target'?"),
        ("source,target,source", "line 1: the column 'source' appears twice; rename one"),
    ],
)
def test_a_header_that_does_not_fit_is_told(tmp_path, header, said):
    write_table(tmp_path, "1.png,2.png", header=header)
    assert said in told(TableLayout(str(tmp_path)))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1.png,", "pairs.csv, line 3: the cell of column 'target' is empty"),
        ("1.png", "pairs.csv, line 3: 1 cells, but 2 columns"),
        ("1.png,2.png,3.png", "pairs.csv, line 3: 3 cells, but 2 columns"),
        ("1.png,absent.jpg", "pairs.csv, line 3: column 'target': no such file '"),
    ],
)
def test_a_row_that_does_not_fit_is_told_with_its_line(tmp_path, row, said):
    write_table(tmp_path, "8.png,9.png", row)
    assert said in told(TableLayout(str(tmp_path)))


def test_the_problems_of_a_table_are_told_together(tmp_path):
    write_table(tmp_path, *(f"absent{n}.jpg,1.png" for n in range(8)))
    said = told(TableLayout(str(tmp_path))).splitlines()
    assert said[0].endswith("pairs.csv: 8 problems")
    assert said[1].startswith("  line 2: column 'source': no such file")
    assert said[-1] == "  and 3 more"


def test_a_row_of_another_split_is_not_looked_at(tmp_path):
    write_table(tmp_path, "1.png,2.png,train", "absent,,val", header="source,target,split")
    assert names(TableLayout(str(tmp_path)).pairs("train")) == ["2"]


def test_a_table_as_excel_saves_it_in_western_europe_is_read(tmp_path):
    for name in ("Häuser/ä.png", "Pläne/ä.png"):
        touch(tmp_path / name)
    rows = "source;target\r\nPläne\\ä.png;Häuser\\ä.png\r\n"
    (tmp_path / "pairs.csv").write_bytes(rows.encode("cp1252"))
    (pair,) = TableLayout(str(tmp_path)).pairs("train")
    assert pair.a[0].path.endswith("Pläne/ä.png")


def test_a_table_that_is_missing_or_empty_or_no_text_is_told(tmp_path):
    layout = TableLayout(str(tmp_path))
    assert "pairs.csv: no such file. write there what belongs together" in told(layout)
    touch(tmp_path / "other.csv")
    assert "holds 'other.csv': name one, as in file = \"other.csv\"" in told(layout)
    touch(tmp_path / "pairs.csv")
    assert "pairs.csv: it is empty" in told(layout)
    (tmp_path / "pairs.csv").write_text("source,target\n")
    assert "no rows under its header" in told(layout)
    (tmp_path / "pairs.csv").write_bytes(b"source,target\n\x81,b")  # no text of any kind
    assert "pairs.csv: not UTF-8 text" in told(layout)
    (tmp_path / "pairs.csv").write_text("source,target\n" + "x" * 200_000)
    assert "pairs.csv: field larger than field limit" in told(layout)


def test_a_table_needs_a_target(tmp_path):
    with pytest.raises(ImtransError, match="'target' names no column"):
        TableLayout(str(tmp_path), target=[])


SPREADSHEETS = {
    "semicolons": "source;target\n1.png;a/2.png\n",
    "tabs": "source\ttarget\n1.png\ta/2.png\n",
    "quotes": '"source","target"\n"1.png","a/2.png"\n',
    "semicolons and quotes": '"source";"target, stained"\r\n1.png;"a/2.png"\r\n',
    "a mark and CRLF": "\ufeffsource,target\r\n1.png,a/2.png\r\n\r\n",
    "old line ends": "source,target\r1.png,a/2.png\r",
    "backslashes": "source,target\n1.png,a\\2.png\n",
    "Excel's first line": "sep=;\nsource;target\n1.png;a/2.png\n",
}


@pytest.mark.parametrize("written", SPREADSHEETS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, written, encoding):
    touch(tmp_path / "1.png", tmp_path / "a" / "2.png")
    text = SPREADSHEETS[written].lstrip("\ufeff" if encoding == "utf-16" else "")
    (tmp_path / "pairs.csv").write_bytes(text.encode(encoding))
    target = "target, stained" if "stained" in text else "target"
    (pair,) = TableLayout(str(tmp_path), target=target).pairs("train")
    assert pair.b[0].path == str(tmp_path / "a" / "2.png")


def test_lines_are_counted_below_excels_first_line(tmp_path):
    write_table(tmp_path, "source;target", "1.png;absent.jpg", header="sep=;")
    assert "pairs.csv, line 3: column" in told(TableLayout(str(tmp_path)))


def test_a_file_whose_name_holds_a_backslash_is_found(tmp_path):
    touch(tmp_path / "1.png", tmp_path / "a\\2.png")
    (tmp_path / "pairs.csv").write_text("source,target\n1.png,a\\2.png\n")
    assert TableLayout(str(tmp_path)).pairs("train")[0].b[0].path == str(tmp_path / "a\\2.png")


@pytest.mark.parametrize(
    ("below", "root", "file"),
    [("study", ".", "study/pairs.csv"), ("lab/study", ".", "lab/study/pairs.csv")],
)
def test_paths_that_begin_above_the_table_name_the_root_that_fits(tmp_path, below, root, file):
    root = tmp_path / root
    write_table(tmp_path / below, *(f"{below}/{n}.png,{below}/{n}b.png" for n in range(30)))
    touch(*(tmp_path / below / f"{n}{b}.png" for n in range(30) for b in ("", "b")))
    for path in (tmp_path / below / below).glob("*.png"):
        path.unlink()
    said = told(TableLayout(str(tmp_path / below)))
    assert said.splitlines()[-1] == (
        f"these files are below '{root}': set data.root = \"{root}\" and "
        f'data.layout.file = "{file}"'
    )


def test_paths_below_a_folder_beside_the_table_name_it(tmp_path):
    write_table(tmp_path, "1.png,2.png")
    touch(tmp_path / "pictures" / "1.png", tmp_path / "pictures" / "2.png")
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    said = told(TableLayout(str(tmp_path)))
    assert f'set data.root = "{tmp_path}/pictures" and data.layout.file = "../pairs.csv"' in said


def test_paths_of_another_machine_name_what_to_remove(tmp_path):
    touch(tmp_path / "in" / "1.png", tmp_path / "out" / "1.png")
    (tmp_path / "pairs.csv").write_text("source,target\nC:\\me\\in\\1.png,C:\\me\\out\\1.png\n")
    said = told(TableLayout(str(tmp_path)))
    assert f"these files are below '{tmp_path}' without 'C:/me/': remove it from the table" in said


# Tar files


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
