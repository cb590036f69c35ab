"""Pairs in a table, and what is told when one is wrong."""

import pytest
from stored_pairs import (
    names,
    told,
    touch,
    write_table,
)

from imtrans.api.errors import ImtransError
from imtrans.components.layouts.table import TableLayout


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
