"""The same pairs stored in every layout, and what the tests need to store others."""

import io
import re
import tarfile

import pytest

from imtrans.api.errors import ImtransError
from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.photos import Photos
from imtrans.components.layouts.shards import Shards
from imtrans.components.layouts.side_by_side import SideBySide
from imtrans.components.layouts.table import TableLayout
from imtrans.components.layouts.unpaired import Unpaired
from imtrans.data.pairs import split_pairs
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable

NAMES = ["a", "a-b", "sub/a", "sub/deep/z", "z.v2"]


def touch(*paths):
    """Empty files: a layout reads no pixels."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(pairs):
    return [pair.name for pair in pairs]


def told(layout, split="train"):
    """What the layout says is wrong."""
    with pytest.raises(ImtransError) as caught:
        layout.pairs(split)
    return str(caught.value)


def told_with_hints(layout, split="train"):
    """What is said where the catalog is known, as it is when a recipe is read."""
    name = next(one.name for one in catalog().layouts if one.builder is type(layout))
    derive = "lab" if name == "photos" else None
    data = DataTable(root=layout.root, layout=name, derive=derive, train=split)
    with pytest.raises(ImtransError) as caught:
        split_pairs(layout, data, 0, layouts=catalog().layouts)
    return str(caught.value)


def write_table(root, *rows, file="pairs.csv", header="source,target"):
    root.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    for row in rows:
        touch(*(root / cell for cell in re.split("[,\t]", row) if cell.endswith("png")))


def pack(tar, *members, format=tarfile.GNU_FORMAT):
    """A tar file of (name, content), or of names with their name as content."""
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tar, "w", format=format) as archive:
        for member in members:
            name, content = member if isinstance(member, tuple) else (member, member.encode())
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return tar


def pack_special(tar, kind, name="001.source.png", link="000.source.png"):
    with tarfile.open(tar, "a") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        archive.addfile(info)
    return tar


def content(picture):
    """The bytes of a member, read as a loader would."""
    with open(picture.path, "rb") as file:
        file.seek(picture.offset)
        return file.read(picture.size)


def stored_side_by_side(root):
    touch(*(root / "train" / f"{name}.png" for name in NAMES))
    return SideBySide(str(root))


def stored_as_photos(root):
    touch(*(root / "train" / f"{name}.jpg" for name in NAMES))
    return Photos(str(root))


def stored_in_two_folders(root):
    touch(*(root / "trainA" / f"{name}.png" for name in reversed(NAMES)))
    touch(*(root / "trainB" / f"{name}.JPG" for name in NAMES))
    return Folders(str(root))


def stored_by_side(root):
    touch(*(root / side / "train" / f"{name}.png" for side in "AB" for name in NAMES))
    return Folders(str(root))


def stored_unpaired(root):
    touch(*(root / f"train{side}" / f"{name}.png" for side in "AB" for name in NAMES))
    return Unpaired(str(root))


def stored_in_a_table(root):
    write_table(root, *(f"A/{name}.png,{name}.png" for name in reversed(NAMES)))
    return TableLayout(str(root))


def stored_in_shards(root):
    # A key ends at the first dot: the last name is another there.
    for number, name in enumerate(NAMES[:-1]):
        pack(root / f"train-{number}.tar", f"{name}.source.png", f"{name}.target.jpg")
    return Shards(str(root))


STORED = [
    stored_side_by_side,
    stored_as_photos,
    stored_in_two_folders,
    stored_by_side,
    stored_unpaired,
    stored_in_a_table,
    stored_in_shards,
]


def write_list(root, *lines, name="some.txt"):
    """A split that is a list of names."""
    (root / name).write_text("\n".join(lines), encoding="utf-8")
