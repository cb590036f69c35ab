"""Pictures of two kinds that do not belong together: horses here, zebras there.

The layout of the data sets that were published with CycleGAN (Zhu et al., ICCV 2017).
"""

from collections.abc import Sequence
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import Column, FilePairs, Texts, chosen, images_by_name
from imtrans.api.pictures import Pair
from imtrans.api.two_folders import TwoFolders, share_names, stored_folders


@hookimpl
def register_layouts(register: Register) -> None:
    register("unpaired", Unpaired)


class Unpaired(TwoFolders):
    """ROOT/trainA and ROOT/trainB, or ROOT/A/train and ROOT/B/train, or the folders `a` and `b`:
    any images, as many as there are. An epoch is as long as the larger of the two.

    In `a` and `b`, `{split}` is replaced by the split; a folder named without it has every split,
    and if both do, the only split is `train`. A split that ends in `.txt` is a file below ROOT: a
    list of names in `a` and `b`, or in ROOT/A and ROOT/B.
    """

    name = "unpaired"
    paired = False

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        sides = stored_folders(root, split)
        if sides is None or share_names(*(Path(root, side) for side in sides)):
            return None
        return f"{sides[0]} and {sides[1]} are there, with no name in common"

    def pairs(self, split: str) -> Sequence[Pair]:
        """Pair i is image i of each folder, in order of their names; the smaller folder begins
        again at its end. A pair has the name of the image in the larger one."""
        a, b, listing = self.folders(split)
        files = {folder: images_by_name(folder) for folder in (a, b)}
        names = {folder: sorted(found) for folder, found in files.items()}
        if listing:
            listed = set(chosen(listing, files[a].keys() | files[b].keys()))
            names = {folder: [n for n in found if n in listed] for folder, found in names.items()}
            for folder in (a, b):
                if not names[folder]:
                    raise ImtransError(f"{listing}: it lists no image in {folder}. add some")
        longer = max(names[a], names[b], key=len)

        def column(folder: Path) -> Column:
            there = [files[folder][name] for name in names[folder]]
            return Column(str(folder), Texts(there[i % len(there)] for i in range(len(longer))))

        return FilePairs(longer, [column(a)], [column(b)])
