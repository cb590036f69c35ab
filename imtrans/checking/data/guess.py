"""The `[data]` table of a folder without a recipe, guessed from its files."""

import csv
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture, find_images
from imtrans.api.two_folders import share_names, stored_folders
from imtrans.checking.data.inspected_pair import sources_and_targets
from imtrans.data.pairs import spread
from imtrans.data.pixels.formats.header import ImageHeader, header
from imtrans.data.pixels.formats.stored import STORED
from imtrans.recipe.schema import DataTable, SideTable

SPLITS = ("train", "val", "test")
ENOUGH = 100  # pictures whose headers are read


@dataclass(frozen=True)
class Guess:
    """The `[data]` table of a recipe, and the reason for it."""

    table: dict[str, Any]
    reason: str


def guess(root: str) -> Guess:
    """How the pairs below a folder are stored. Raises ImtransError if no layout fits."""
    for found in (_folders(root), _shards(root), _table(root), _pictures(root)):
        if found:
            return Guess({"root": root, **found.table}, found.reason)
    raise ImtransError(
        f"{root}: no pairs there: neither train, trainA and trainB, A and B, *.tar, *.csv nor "
        "images. give another folder, or a recipe"
    )


def _folders(root: str) -> Guess | None:
    for split in SPLITS:
        if sides := stored_folders(root, split):
            layout, reason = _of_two(root, *sides)
            return Guess({"layout": layout, "train": split}, reason)
    if Path(root, "A").is_dir() and Path(root, "B").is_dir():
        layout, reason = _of_two(root, "A", "B")
        return Guess({"layout": {"name": layout, "a": "A", "b": "B"}}, reason)
    return None


def _of_two(root: str, a: str, b: str) -> tuple[str, str]:
    """The layout of two folders, and the reason for it."""
    if share_names(Path(root, a), Path(root, b)):
        return "folders", f"it has {a} and {b}"
    return "unpaired", f"it has {a} and {b}, with no name in common"


def _shards(root: str) -> Guess | None:
    tars = sorted(path.name for path in Path(root).glob("*.tar"))
    if not tars:
        return None
    reason = f"it has {tars[0]}"
    for split in SPLITS:
        if any(name.startswith(f"{split}-") for name in tars):
            return Guess({"layout": "shards", "train": split}, reason)
        if f"{split}.tar" in tars:
            layout = {"name": "shards", "files": "{split}.tar"}
            return Guess({"layout": layout, "train": split}, reason)
    return Guess({"layout": {"name": "shards", "files": "*.tar"}}, reason)


def _table(root: str) -> Guess | None:
    tables = sorted(p for p in Path(root).iterdir() if p.suffix.lower() in (".csv", ".tsv"))
    if not tables:
        return None
    layout: dict[str, Any] = {"name": "table", "file": tables[0].name}
    with open(tables[0], encoding="utf-8-sig", errors="replace", newline="") as lines:
        separator = "\t" if tables[0].suffix.lower() == ".tsv" else ","
        columns = [cell.strip() for cell in next(csv.reader(lines, delimiter=separator), [])]
    if not {"source", "target"} <= set(columns):
        named = [name for name in columns if name.lower() != "split"][:2]
        if len(named) == 2:
            layout |= {"source": named[0], "target": named[1]}
    return Guess({"layout": layout}, f"it has {tables[0].name}")


def _pictures(root: str) -> Guess | None:
    split = next((name for name in SPLITS if Path(root, name).is_dir()), ".")
    images = find_images(Path(root, split))
    if not images:
        return None
    some = (str(Path(root, split, images[at])) for at in spread(len(images), ENOUGH))
    ratios = [found.size[0] / found.size[1] for found in _headers(map(Picture, some))]
    where = f"it has images{'' if split == '.' else f' in {split}'}"
    if ratios and statistics.median(ratios) <= 1:
        # Not two halves. The derivation is a placeholder, so that the photographs can be checked.
        table = {"layout": "photos", "derive": "grayscale", "train": split}
        return Guess(table, f"{where}, most of them not wider than high")
    table = {"layout": "side_by_side", "train": split}
    otherwise = "--set data.layout=photos --set data.derive=grayscale"
    return Guess(table, f"{where}; if they are single photographs, give {otherwise}")


def as_stored(pairs: Sequence[Pair], data: DataTable) -> dict[str, dict[str, Any]]:
    """The dtype and channels of most files of each side: keys of data.source and data.target."""
    some = [pairs[at] for at in spread(len(pairs), ENOUGH)]
    both = [sources_and_targets(pair, data) for pair in some]
    tables: dict[str, dict[str, Any]] = {}
    for side, pictures in (("source", [b[0] for b in both]), ("target", [b[1] for b in both])):
        kinds = Counter(kind for several in pictures if (kind := _kind(several)))
        if kinds:
            (dtype, channels), _ = kinds.most_common(1)[0]
            tables[side] = {"dtype": dtype, "channels": channels}
    return tables


def with_sides(data: DataTable, tables: dict[str, dict[str, Any]]) -> DataTable:
    """The data table with these keys in its sides."""
    sides = {
        side: SideTable.model_validate(
            # float32 needs some range; a guessed one is not used in any check.
            {"range": (0.0, 1.0) if keys["dtype"] == "float32" else None, **keys}
        )
        for side, keys in tables.items()
    }
    return data.model_copy(update=sides)


def _kind(pictures: Sequence[Picture]) -> tuple[str, int] | None:
    """Dtype and channels of one side of one pair, if its headers can be read."""
    headers = list(_headers(pictures))
    if not headers or len(headers) < len(pictures) or headers[0].dtype not in STORED:
        return None
    channels = sum(one.channels for one in headers)
    if len(headers) == 1 and headers[0].colour == "CMYK":
        channels = 3  # it is decoded to RGB
    return headers[0].dtype, channels


def _headers(pictures: Iterable[Picture]) -> Iterator[ImageHeader]:
    for picture in pictures:
        try:
            yield header(picture)
        except ImtransError:
            continue  # the check reports it
