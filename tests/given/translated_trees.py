"""Folders of pictures, a translator that counts them, and what a translation leaves on the disk."""

import os
from pathlib import Path

import torch
from drawn import draw_picture
from torch import nn

from imtrans.data.encoding import Direct
from imtrans.recipe.schema import DataTable
from imtrans.translation.folder import TranslatedFolder, Way, translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")


class Inverting(nn.Module):
    """Inverts, and counts the images that it was given. Knows which of a batch it sees."""

    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        self.count += len(source)
        return -source


class Sampling(Inverting):
    """Adds noise that torch draws."""

    draws = True

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        return super().forward(source) + 0.3 * torch.randn(source.shape)


def counting(module: nn.Module | None = None, made_from: str = "weights 1", **sides) -> Translator:
    encoding = Direct(DataTable(root="x", **sides))
    made = {"weights": made_from, "dropout seed": "None"}
    return Translator(module or Inverting(), encoding, device=CPU, made_from=made)


def into(
    using: Translator, inputs: Path, output: Path, way: Way | None = None, **planning
) -> TranslatedFolder:
    """Translate one by one, so that what the network counts is what went through it."""
    way = way or Way(batch_size=1, workers=1)
    jobs = plan(inputs, output, using.encoding, seeds=way.seeds, **planning)
    return translate_files(using, jobs, output, lambda: None, way)


def pictures(folder: Path, *names: str, size: tuple[int, int] = (40, 32)) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(number, size).save(path)
    return folder


def shown(folder: Path) -> dict[str, bytes]:
    """All files that are not hidden, below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def hidden(folder: Path) -> list[str]:
    """Hidden files below a folder, but for the two that every folder of results has."""
    ours = {".imtrans", ".imtrans-translation.json"}
    found = (path.name for path in folder.rglob(".*"))
    return sorted(name for name in found if name not in ours)


def aged(path: Path, seconds: float) -> None:
    """As if the file had been written that long ago."""
    found = path.stat()
    os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))


def emptied(folder: Path) -> None:
    """Remove a folder, which may be none."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    if folder.exists():
        folder.rmdir()
