"""The `[data]` table of a folder with a spreadsheet that names its pairs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.pictures import SUFFIXES
from imtrans.api.table_rows import Row, is_table, other_root, read_table, with_slashes
from imtrans.data.families.words import TRAIN, VALIDATION, role

ROWS = 100  # that are looked at
Found = tuple[dict[str, Any], str, tuple[str, ...], bool]  # the fields of a Guess


def guess_table(root: str, source: str | None = None) -> Found | None:
    """The table, the reason, the sides and whether they are known; None without a spreadsheet of
    at least two columns of images."""
    for path in sorted(Path(root).iterdir()):
        if is_table(path):
            try:
                header, *rows = read_table(path)
            except ImtransError:
                continue
            if found := _of_rows(root, path, header, rows, source):
                return found
    return None


def unused_tables(root: str, used: str | None) -> Iterator[str]:
    """Tables of a folder that are not read as pairs, and why."""
    for path in sorted(Path(root).iterdir()):
        if path.name == used or path.name.startswith((".", "~")):
            continue
        if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
            yield f"{path}: is not read; if it names the pairs, save it as CSV"
        elif is_table(path):
            try:
                header, *_ = read_table(path)
            except ImtransError as error:
                yield f"{error}; it is not used"
                continue
            yield (
                f"{path}: is not used: fewer than two of its columns name images, with their "
                f"endings, as in img_1.png; the columns are {quoted(header[1])}"
            )


def _of_rows(
    root: str, path: Path, header: Row, rows: list[Row], source: str | None
) -> Found | None:
    columns = header[1]
    images = [
        name for at, name in enumerate(columns) if _of_images([row[1] for row in rows[:ROWS]], at)
    ]
    if len(images) < 2:
        return None
    a, b, *others = _source_first(images, source)
    table = _placed(root, path, [row[1] for row in rows], [columns.index(a), columns.index(b)])
    layout: dict[str, Any] = table["layout"]
    if (a, b) != ("source", "target"):
        layout |= {"source": a, "target": b}
    if splits := [name for name in columns if name.lower() in ("split", "set", "subset", "fold")]:
        at = columns.index(splits[0])
        cells = {row[1][at] for row in rows if at < len(row[1])}
        if train := [cell for cell in sorted(cells) if cell.lower() in TRAIN]:
            if splits[0] != "split":
                layout["split"] = splits[0]
            table |= {"train": train[0]} if train[0] != "train" else {}
            validation = [c for word in VALIDATION for c in sorted(cells) if c.lower() == word]
            table |= {"validation": validation[0]} if validation else {}
    known = role(a) > role(b)
    return table, f"it has {path.name}, whose rows are pairs", (a, b, *others), known


def _of_images(rows: list[list[str]], at: int) -> bool:
    cells = [row[at] for row in rows if at < len(row) and row[at]]
    return bool(cells) and all(cell.lower().endswith(SUFFIXES) for cell in cells)


def _source_first(columns: list[str], source: str | None) -> list[str]:
    """The columns in the order in which they are sides: likely sources, targets, then others."""
    ranked = sorted(columns, key=lambda name: -role(name))
    order = [ranked[0], ranked[-1], *ranked[1:-1]]
    named = [name for name in order[2:] if source and name.lower() == source.lower()]
    return (
        [*named, *(name for name in order[1:] if name not in named), order[0]] if named else order
    )


def _placed(root: str, path: Path, rows: list[list[str]], used: list[int]) -> dict[str, Any]:
    """The layout, and the root below which the files are, if it is another one."""
    cells = [with_slashes(root, row[at]) for row in rows[:ROWS] for at in used if at < len(row)]
    layout = {"name": "table", "file": path.name}
    if not any(os.path.isfile(os.path.join(root, cell)) for cell in cells):
        if folder := other_root(root, cells):
            file = os.path.relpath(path, folder).replace(os.sep, "/")
            return {"root": folder, "layout": {**layout, "file": file}}
    return {"layout": layout}
