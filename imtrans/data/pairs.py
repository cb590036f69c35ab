"""Which pictures belong together: one function per layout.

Pairs are matched by name, never by order.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imtrans.data.images import SUFFIXES, find_images
from imtrans.errors import ImtransError, quoted, some
from imtrans.schema import DataTable

VALIDATION_NAMES = ("val", "test")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file, or the half of one."""

    path: Path
    half: Literal["left", "right"] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    name: str
    source: Picture
    target: Picture


def training_pairs(data: DataTable) -> list[Pair]:
    """The pairs to learn from. Raises ImtransError when there are none, or orphans among them."""
    return _find(data, data.train)


def validation_pairs(data: DataTable) -> list[Pair]:
    """The held-out pairs: of the split that the recipe names, or of `val` or `test` if it is there,
    or none."""
    if data.validation is not None:
        return _find(data, data.validation)
    names = [name for name in VALIDATION_NAMES if name != data.train]
    there = next((name for name in names if _has_split(data, name)), None)
    return _find(data, there) if there else []


def _find(data: DataTable, split: str) -> list[Pair]:
    root = Path(data.root)
    if not root.is_dir():
        raise ImtransError(
            f"{root}: no such folder. put the pairs there, or name their folder with "
            "--set data.root=FOLDER"
        )
    pairs = LAYOUTS[data.layout](root, split)
    return [Pair(p.name, p.target, p.source) for p in pairs] if data.direction == "BtoA" else pairs


def _side_by_side(root: Path, split: str) -> list[Pair]:
    """Root/SPLIT/NAME: A in the left half, B in the right."""
    folder = _folder(root, split, "side_by_side")
    return [
        Pair(str(name), Picture(folder / name, "left"), Picture(folder / name, "right"))
        for name in _images(folder)
    ]


def _photos(root: Path, split: str) -> list[Pair]:
    """Root/SPLIT/NAME: targets only; the source is derived from the same file."""
    folder = _folder(root, split, "photos")
    pictures = ((str(name), Picture(folder / name)) for name in _images(folder))
    return [Pair(name, picture, picture) for name, picture in pictures]


def _folders(root: Path, split: str) -> list[Pair]:
    """Root/SPLIT + A/NAME and root/SPLIT + B/NAME; the suffix may differ, the name may not."""
    sides = [_by_name(_folder(root, f"{split}{letter}", "folders")) for letter in "AB"]
    for letter, (these, others) in zip("AB", [sides, sides[::-1]], strict=True):
        if orphans := sorted(these.keys() - others.keys()):
            count = f"{len(orphans)} images have" if len(orphans) > 1 else "1 image has"
            other = "B" if letter == "A" else "A"
            names = some(str(these[name].relative_to(root)) for name in orphans)
            raise ImtransError(
                f"{root / f'{split}{letter}'}: {count} no partner in {split}{other}: {names}. "
                "add the missing files, or remove these"
            )
    a, b = sides
    return [Pair(name, Picture(a[name]), Picture(b[name])) for name in sorted(a)]


LAYOUTS: dict[str, Callable[[Path, str], list[Pair]]] = {
    "side_by_side": _side_by_side,
    "folders": _folders,
    "photos": _photos,
}


def _by_name(folder: Path) -> dict[str, Path]:
    """The images below a folder by their relative path without suffix."""
    found: dict[str, Path] = {}
    for path in _images(folder):
        name = str(path.with_suffix(""))
        if name in found:
            raise ImtransError(
                f"{folder}: '{name}' stands there twice, as {found[name].name} and {path.name}. "
                "pairs are matched by name without suffix: remove one"
            )
        found[name] = folder / path
    return found


def _images(folder: Path) -> list[Path]:
    names = find_images(folder)
    if not names:
        raise ImtransError(f"{folder}: no images there (looked for {', '.join(SUFFIXES)})")
    return names


def _has_split(data: DataTable, split: str) -> bool:
    return Path(data.root, f"{split}A" if data.layout == "folders" else split).is_dir()


def _folder(root: Path, name: str, layout: str) -> Path:
    folder = root / name
    if folder.is_dir():
        return folder
    there = sorted(path.name for path in root.iterdir() if path.is_dir())
    raise ImtransError(f"{folder}: no such folder. {_remedy(root, name, layout, there)}")


def _remedy(root: Path, name: str, layout: str, there: Iterable[str]) -> str:
    if layout != "folders" and {f"{name}A", f"{name}B"} <= set(there):
        return f"{name}A and {name}B are there: use --set data.layout=folders"
    if layout == "folders" and name[:-1] in there:
        return f"{name[:-1]} is there: use --set data.layout=side_by_side if its images hold A|B"
    if layout != "folders" and any(len(name.parts) == 1 for name in find_images(root)):
        return f"images lie in {root} itself: use --set data.train=. or move them to {root / name}"
    return f"{root} holds {quoted(there)}" if there else f"{root} is empty"
