"""Pairs stored as one image each: A in the left half, B in the right.

The layout of the data sets that were published with pix2pix.
"""

from collections.abc import Sequence

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import Column, FilePairs, has_images_of_split, images_of_split
from imtrans.api.pictures import Pair


@hookimpl
def register_layouts(register: Register) -> None:
    register("side_by_side", SideBySide)


class SideBySide:
    """ROOT/SPLIT/NAME.png, also in folders below: A in the left half, B in the right.

    A split that ends in `.txt` is a file below ROOT: a list of names of images below ROOT.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        return f"{split} is there" if has_images_of_split(root, split) else None

    def has(self, split: str) -> bool:
        return has_images_of_split(self.root, split)

    def pairs(self, split: str) -> Sequence[Pair]:
        names, folder, paths = images_of_split(self.root, split)
        return FilePairs(names, [Column(folder, paths, "left")], [Column(folder, paths, "right")])
