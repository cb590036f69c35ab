"""The data of an experiment: where its pictures are, and how they are brought to their size."""

from typing import Any

from imtrans.api.errors import quoted
from imtrans.drafting.published.options import Options, Refused
from imtrans.recipe.sizes import Sides, px, size_of

MODES = ("aligned", "unaligned", "single", "colorization")
RESIZED = "resize_and_crop"
BY_FILE = ("crop", "scale_width", "scale_width_and_crop", "none")
MULTIPLE = 4  # that `none` rounds to


def root(options: Options, flag: str) -> str:
    if not options.files:
        raise Refused("--dataroot is missing: give the folder of the pictures with --root DIR")
    return options.files


def layout(options: Options, flag: str) -> str | dict[str, str]:
    mode = options.value(flag)
    if mode not in MODES:
        raise Refused(f"--dataset_mode '{mode}' is none of the published code's: {quoted(MODES)}")
    if mode == "colorization":
        return "photos"
    if mode != "unaligned":
        return "side_by_side"
    if options.model != "cycle_gan":
        raise Refused(
            f"--dataset_mode unaligned with --model {options.model}: it would learn from pictures "
            "that do not belong together. aligned is for pairs, cycle_gan for pictures without"
        )
    if options.value("direction") == "BtoA":
        options.note(
            "--direction BtoA exchanges the folders of cycle_gan in that code: so do 'a' and 'b' "
            "of the layout, and its _G_A is still what makes B of A"
        )
        return {"name": "unpaired", "a": "{split}B", "b": "{split}A"}
    return "unpaired"


def derive(options: Options, flag: str) -> str | None:
    return "lab" if options.value(flag) == "colorization" else None


def split(options: Options, flag: str) -> str | None:
    """The split, where it is not the usual one; that of a test is none to train on."""
    return None if options.value(flag) in ("train", "test", "") else options.value(flag)


def direction(options: Options, flag: str) -> str | None:
    value, mode = options.value(flag), options.value("dataset_mode")
    if value not in ("AtoB", "BtoA"):
        raise Refused(f"--direction '{value}' is neither 'AtoB' nor 'BtoA'")
    if mode in ("colorization", "unaligned"):
        return None
    if options.model == "cycle_gan" and value == "BtoA":
        options.note(
            "--direction BtoA of cycle_gan on pairs: its _G_A makes A of B, and import-weights "
            "takes _G_A for what makes B of A. exchange the names of both files before"
        )
    return value


def channels(options: Options, flag: str) -> int | None:
    count = options.whole(flag)
    if not count:
        raise Refused(f"--{flag} 0: a picture has a channel or more")
    if options.value("dataset_mode") == "colorization" or count == 3:
        return None  # of a derivation it is a matter of itself
    if count != 1:
        options.note(f"--{flag} {count} was of a changed data set there; here the files have them")
    return count


def resize(options: Options, flag: str) -> str | None:
    return "shorter" if len(_sizes(options)) > 1 else None


def load_size(options: Options, flag: str) -> Any:
    load, crop = _chosen(options)
    return None if load == crop else _listed(load)


def crop_size(options: Options, flag: str) -> Any:
    return _listed(_chosen(options)[1])


def _listed(sides: Sides) -> int | list[int]:
    size = size_of(*sides)
    return size if isinstance(size, int) else list(size)


def _chosen(options: Options) -> tuple[Sides, Sides]:
    """To which height and width files are brought, and what is cut out of that."""
    found = _sizes(options)
    load, crop = found[len(found) // 2]  # one for all, or of the file in the middle
    if len(found) > 1:
        mode = options.value("preprocess")
        options.note(
            f"--preprocess {mode} depends on each file's size, and they differ: all are brought to "
            f"cover {px(size_of(*load))}, of which {px(size_of(*crop))} are cut out"
        )
    return load, crop


def _sizes(options: Options) -> list[tuple[Sides, Sides]]:
    """What the files' sizes become: one where the mode makes them equal."""
    mode = options.value("preprocess")
    load, crop = options.whole("load_size"), options.whole("crop_size")
    if not load or not crop:
        raise Refused(f"--load_size {load}, --crop_size {crop}: a picture has a pixel or more")
    if mode == RESIZED:
        return [((load, load), (min(crop, load), min(crop, load)))]
    if mode not in BY_FILE:
        modes = quoted((RESIZED, *BY_FILE))
        raise Refused(f"--preprocess '{mode}' is none of the published code's: {modes}")
    if not options.pictures.found:
        raise Refused(
            f"--preprocess {mode} depends on the sizes of the files, and '{options.files}' has "
            f"none in {options.value('phase')}: say where they are now with --root DIR"
        )
    return sorted({brought(mode, load, crop, sides) for sides in options.pictures.found})


def brought(mode: str, load: int, crop: int, sides: Sides) -> tuple[Sides, Sides]:
    """The size to which a mode brings a file of this height and width, and what it cuts out."""
    height, width = sides
    if mode == "none":
        height, width = (max(1, round(side / MULTIPLE)) * MULTIPLE for side in sides)
    elif mode.startswith("scale_width"):
        height, width = max(load * height // width, crop), load
    cut = (min(crop, height), min(crop, width)) if mode.endswith("crop") else (height, width)
    return (height, width), cut
