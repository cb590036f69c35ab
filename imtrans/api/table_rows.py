"""Tables as spreadsheets write them: commas, semicolons or tabs, quotes, any line ends and marks;
and where the files are that a table names, if they are not below the root."""

import codecs
import csv
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PureWindowsPath

from imtrans.api.errors import ImtransError

Row = tuple[int, list[str]]  # its line in the file, its cells

TABS = (".tsv", ".tab")
SEPARATORS = (",", ";", "\t")
TRIED = 20  # files that are looked for in another place


def is_table(path: Path) -> bool:
    return path.suffix.lower() in (".csv", *TABS)


def read_table(path: Path) -> list[Row]:
    """The header and every row that is not empty, without space around the cells.

    Raises ImtransError when it is no such table, or empty.
    """
    try:
        rows = list(_rows(path))
    except csv.Error as error:
        raise ImtransError(f"{path}: {error}") from error
    except UnicodeError as error:
        raise ImtransError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    if not rows:
        raise ImtransError(f"{path}: it is empty. its first line names the columns")
    return rows


def _rows(path: Path) -> Iterator[Row]:
    with open(path, encoding=_encoding(path), newline="") as lines:
        first = lines.readline()
        announced = first.strip().strip('"')
        if announced.lower().startswith("sep=") and len(announced) == 5:
            separator, skipped = announced[-1], 1  # Excel's own first line
        else:
            separator, skipped = _separator(first, path), 0
            lines.seek(0)
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t")
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if any(row):
                yield reader.line_num + skipped, row


def _encoding(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(2)
    # "Unicode text" of a spreadsheet is UTF-16.
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    try:
        path.read_text(encoding="utf-8-sig")
    except UnicodeError:
        return "cp1252"  # as Excel saves "CSV" in western Europe; a wrong name is no file's
    return "utf-8-sig"


def _separator(header: str, path: Path) -> str:
    """What divides the header into most columns."""
    usual = "\t" if path.suffix.lower() in TABS else ","

    def columns(separator: str) -> tuple[bool, int, bool]:
        cells = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        return not any('"' in cell for cell in cells), len(cells), separator == usual

    return max(SEPARATORS, key=columns)


def with_slashes(root: str, cell: str) -> str:
    """A path as Windows writes it, with `/`; unless there is a file of that very name."""
    if "\\" not in cell or os.path.isfile(os.path.join(root, cell)):
        return cell
    return cell.replace("\\", "/")


def other_root(root: str, cells: Sequence[str]) -> str | None:
    """The folder below which all these files are, if it is one near the root."""
    some = list(islice(cells, TRIED))
    if not some or any(os.path.isabs(cell) for cell in some):
        return None
    here = Path(root)
    above = [Path(os.path.normpath(here / ("../" * steps))) for steps in (1, 2, 3)]
    below = sorted(path for path in here.iterdir() if path.is_dir())
    below += [inner for path in below[:50] for inner in sorted(path.iterdir()) if inner.is_dir()]
    for folder in [*above, *below]:
        if all((folder / cell).is_file() for cell in some):
            return str(folder)
    return None


def other_start(root: str, cells: Sequence[str]) -> str | None:
    """What all these paths begin with on another machine, if the rest is below the root."""
    some = list(islice(cells, TRIED))
    if not some:
        return None
    first = PureWindowsPath(some[0])  # it knows both kinds of slashes
    for parts in range(1, len(first.parts)):
        rest = "/".join(first.parts[parts:])
        start = some[0][: len(some[0]) - len(rest)]
        if start and all(
            cell.startswith(start) and Path(root, cell[len(start) :]).is_file() for cell in some
        ):
            return start
    return None
