"""The sizes of an experiment's files, for the ways to load them that depend on these."""

from functools import cached_property
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture, find_images
from imtrans.data.pixels.formats.header import header
from imtrans.recipe.sizes import Sides

LOOKED_AT = 500  # files


class FileSizes:
    """Height and width of the files of a split, if the folder is here."""

    def __init__(self, root: str, split: str, *, halves: bool) -> None:
        self.root, self.split, self.halves = root, split, halves

    @cached_property
    def found(self) -> list[Sides]:
        """Of some hundred files, sorted; of pairs in one file, of one half."""
        sizes = []
        for folder in (Path(self.root, self.split + side) for side in ("", "A", "B")):
            names = find_images(folder) if folder.is_dir() else []
            for name in names[:: max(1, len(names) // LOOKED_AT)]:
                try:
                    width, height = header(Picture(str(folder / name))).size
                except ImtransError:
                    continue  # `imtrans data check` says what is wrong with it
                sizes.append((height, width // 2 if self.halves else width))
        return sorted(sizes)
