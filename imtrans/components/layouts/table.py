"""Pairs named in a table: any files, several pictures on a side, every split in one place."""

import os
import posixpath
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import (
    Column,
    FilePairs,
    MissingPartners,
    Texts,
    check_root,
    names_of,
    problems_in,
)
from imtrans.api.pictures import Pair
from imtrans.api.table_rows import (
    Row,
    is_table,
    other_root,
    other_start,
    read_table,
    with_slashes,
)


@hookimpl
def register_layouts(register: Register) -> None:
    register("table", TableLayout)


class TableLayout:
    """ROOT/pairs.csv (or .tsv) with a header; a row is a pair, its cells are paths below ROOT.
    Cells are separated by commas, semicolons or tabs.

    `source` and `target` name columns; the channels of several are concatenated, in this order.
    `source = []` means targets only. A row belongs to the split in its column `split`; without
    that column every row is in `train`. A pair has the name of its first target, or the one in
    the column `names`.
    """

    def __init__(
        self,
        root: str,
        *,
        file: str = "pairs.csv",
        source: list[str] | str = "source",
        target: list[str] | str = "target",
        split: str = "split",
        names: str = "",
    ) -> None:
        self.root, self.path = root, Path(root, file)
        self.source = [source] if isinstance(source, str) else source
        self.target = [target] if isinstance(target, str) else target
        self.split, self.names = split, names
        if not self.target:
            raise ImtransError("layout 'table': 'target' names no column. name at least one")

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        tables = sorted(path.name for path in Path(root).iterdir() if is_table(path))
        return f"{tables[0]} is there" if tables else None

    @property
    def has_sources(self) -> bool:
        return bool(self.source)

    def has(self, split: str) -> bool:
        if not self.path.is_file():
            return False
        header, *rows = self._rows()
        # A table that cannot be read is reported here too, and not taken for one without the split.
        return any(self._split_of(header, row) == split for row in rows)

    def pairs(self, split: str) -> Sequence[Pair]:
        check_root(self.root)
        header, *rows = self._rows()
        self._check_header(header)
        rows_in = [row for row in rows if self._split_of(header, row) == split]
        if not rows_in:
            raise ImtransError(f"{self.path}: {self._no_rows(split, header, rows)}")
        if orphans := self._missing_files(header, rows_in):
            whole = [row for row in rows_in if row[0] not in orphans]
            elsewhere = "" if whole else self._elsewhere(header, rows_in)
            raise MissingPartners(
                f"{problems_in(self.path, orphans)}{elsewhere}",
                [(f"{self.path}, line {line}", what) for line, what in sorted(orphans.items())],
                self._paired(header, whole),
                explained=bool(elsewhere),
            )
        return self._paired(header, rows_in)

    def _paired(self, header: Row, rows: list[Row]) -> FilePairs:
        names = self._names(header, rows)
        order = sorted(range(len(names)), key=names.__getitem__)

        def column(name: str) -> Column:
            place = header[1].index(name)
            return Column(self.root, Texts(rows[i][1][place] for i in order))

        a, b = ([column(name) for name in side] for side in (self.source, self.target))
        return FilePairs((names[i] for i in order), a, b)

    def _rows(self) -> list[Row]:
        """The header and the rows; paths with `/`."""
        if not self.path.is_file():
            raise ImtransError(f"{self.path}: no such file. {self._tables_there()}")
        header, *rows = read_table(self.path)
        used = {n for n, name in enumerate(header[1]) if name in (*self.source, *self.target)}
        for _, cells in rows:
            for place in used & set(range(len(cells))):
                cells[place] = with_slashes(self.root, cells[place])
        return [header, *rows]

    def _tables_there(self) -> str:
        there = [path.name for path in Path(self.root).iterdir() if is_table(path)]
        if there:
            return f'{self.root} holds {quoted(sorted(there))}: name one, as in file = "{there[0]}"'
        return "write there what belongs together, under the header source,target"

    def _check_header(self, header: Row) -> None:
        columns = header[1]
        needed = [*self.source, *self.target, *filter(None, [self.names])]
        if self.split != "split" or any(name.lower() == "split" for name in columns):
            # A column 'Split' passed over would let the network learn from validation pairs.
            needed.append(self.split)
        missing = [name for name in dict.fromkeys(needed) if name not in columns]
        if missing:
            near = did_you_mean(missing[0], columns)
            what = f"no column {quoted(missing)}{near}; the columns are {quoted(columns)}"
            raise problems_in(self.path, {header[0]: what})
        if twice := [name for name in dict.fromkeys(needed) if columns.count(name) > 1]:
            what = f"the column {quoted(twice)} appears twice; rename one"
            raise problems_in(self.path, {header[0]: what})

    def _split_of(self, header: Row, row: Row) -> str:
        columns, cells = header[1], row[1]
        if self.split not in columns:
            return "train"
        place = columns.index(self.split)
        return cells[place] if place < len(cells) else ""

    def _no_rows(self, split: str, header: Row, rows: list[Row]) -> str:
        if not rows:
            return "no rows under its header. a row is a pair"
        there = Counter(self._split_of(header, row) for row in rows)
        rows_of = ", ".join(f"'{name}' ({count} rows)" for name, count in sorted(there.items()))
        if self.split not in header[1]:
            return f"no split '{split}': without a column '{self.split}' every row is in 'train'"
        near = did_you_mean(split, there)
        return f"no rows of split '{split}'{near}; the column '{self.split}' has {rows_of}"

    def _missing_files(self, header: Row, rows: list[Row]) -> dict[int, str]:
        """The line of every row that has an empty cell or names no file, and what is wrong."""
        columns = header[1]
        used = {name: columns.index(name) for name in self.source + self.target}
        problems: dict[int, str] = {}
        for line, cells in rows:
            if len(cells) != len(columns):
                problems[line] = f"{len(cells)} cells, but {len(columns)} columns"
                continue
            for name, place in used.items():
                if not cells[place]:
                    problems[line] = f"the cell of column '{name}' is empty"
                elif not os.path.isfile(path := os.path.join(self.root, cells[place])):
                    problems[line] = f"column '{name}': no such file '{path}'"
        return problems

    def _elsewhere(self, header: Row, rows: list[Row]) -> str:
        """Where the files are, if none is below the root."""
        places = [header[1].index(name) for name in (*self.source, *self.target)]
        cells = [row[at] for _, row in rows for at in places if at < len(row) and row[at]]
        if folder := other_root(self.root, cells):
            file = os.path.relpath(self.path, folder).replace(os.sep, "/")
            return (
                f"\nthese files are below '{folder}': set data.root = \"{folder}\" and "
                f'data.layout.file = "{file}"'
            )
        if start := other_start(self.root, cells):
            return (
                f"\nthese files are below '{self.root}' without '{start}': remove it from the table"
            )
        return ""

    def _names(self, header: Row, rows: list[Row]) -> list[str]:
        place = header[1].index(self.names or self.target[0])
        texts = [cells[place] if self.names else self._below(cells[place]) for _, cells in rows]
        names = texts if self.names else names_of(texts)
        lines: dict[str, int] = {}
        problems: dict[int, str] = {}
        for name, (line, _) in zip(names, rows, strict=True):
            if self.names and (not name or self._below(name) != name):
                problems[line] = f"column '{self.names}': '{name}' cannot name a pair"
            elif name in lines:
                problems[line] = f"the name '{name}' is in line {lines[name]} already. " + (
                    "a pair needs a name of its own"
                    if self.names
                    else 'remove one, or name the pairs in a column: names = "COLUMN"'
                )
            lines.setdefault(name, line)
        if problems:
            raise problems_in(self.path, problems)
        return names

    def _below(self, cell: str) -> str:
        """The path as a name that stays below any folder it is joined to."""
        path = os.path.relpath(cell, self.root) if os.path.isabs(cell) else cell
        parts = posixpath.normpath(path.replace(os.sep, "/")).split("/")
        return "/".join(part for part in parts if part not in ("..", "."))
