"""Targets only: the source of each is derived from it."""

from collections.abc import Sequence

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import Column, FilePairs, has_images_of_split, images_of_split
from imtrans.api.pictures import Pair


@hookimpl
def register_layouts(register: Register) -> None:
    register("photos", Photos)


class Photos:
    """ROOT/SPLIT/NAME.jpg, also in folders below: targets, without sources.

    A split that ends in `.txt` is a file below ROOT: a list of names of images below ROOT.
    """

    has_sources = False

    def __init__(self, root: str) -> None:
        self.root = root

    def has(self, split: str) -> bool:
        return has_images_of_split(self.root, split)

    def pairs(self, split: str) -> Sequence[Pair]:
        names, folder, paths = images_of_split(self.root, split)
        return FilePairs(names, [], [Column(folder, paths)])
