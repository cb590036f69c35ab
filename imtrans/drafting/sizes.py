"""How large the network sees the pictures, and which generator fits that size."""

from collections.abc import Iterator, Sequence
from statistics import median

from imtrans.drafting.choice import Choice

JITTER = 1.117  # load_size / crop_size of the paper, 286 / 256
NEARLY = 0.875  # of a crop size: pictures that are enlarged by so little are not harmed
STRIDE = 4  # of the generator for small pictures
SMALLEST = 16  # px
SQUARE = 1.1  # width / height up to which a picture counts as square
MUCH = 2.0  # times load_size: then detail is lost


def sizes(found: Sequence[tuple[int, int]]) -> Iterator[Choice]:
    """Load and crop size, for pictures of these sizes (px)."""
    crop = crop_size(found)
    if not found:
        yield Choice("data", "crop_size", crop, "px; no file could be read")
        return
    listed = _listed(found)
    if all(size == (crop, crop) for size in found):
        yield Choice("data", "crop_size", crop, f"px; the files are {listed}: nothing is resized")
        return
    load = round(crop * JITTER)
    if _elongated(found):
        reason = "the files are not square: their shorter side becomes load_size, the shape stays"
        yield Choice("data", "resize", "shorter", reason)
    shrunk = median(map(min, found)) / load
    more = ""
    if shrunk > MUCH:
        more = f". they are shrunk {shrunk:.1f} times: a larger load_size keeps more detail"
    reason = f"px; the files are {listed}; about 1.12 x crop_size, so that crops vary{more}"
    yield Choice("data", "load_size", load, reason)
    yield Choice("data", "crop_size", crop, f"px; the square that the network sees: {_why(crop)}")


def crop_size(found: Sequence[tuple[int, int]]) -> int:
    """256 or 128 where the files allow it, else what they have, in multiples of the stride."""
    shortest = median(map(min, found)) if found else 256
    for crop in (256, 128):
        if shortest >= NEARLY * crop:
            return crop
    return max(SMALLEST, min(64, int(shortest) // STRIDE * STRIDE))


def generator(crop: int) -> Choice:
    """The generator that fits a crop size."""
    if crop in (256, 128):
        reason = f"the paper's U-Net for {crop} px; crop_size must be a multiple of {crop}"
        return Choice("generator", "name", f"unet_{crop}", reason)
    reason = f"for small pictures: crop_size need only be a multiple of {STRIDE}"
    return Choice("generator", "name", "resnet_6", reason)


def _why(crop: int) -> str:
    if crop in (256, 128):
        return f"the files allow {crop}"
    return "as large as the files allow"


def _elongated(found: Sequence[tuple[int, int]]) -> bool:
    return median(max(size) / min(size) for size in found) > SQUARE


def _listed(found: Sequence[tuple[int, int]]) -> str:
    widths, heights = zip(*found, strict=True)
    if len(set(found)) == 1:
        return f"{widths[0]} x {heights[0]}"
    return f"{min(widths)} ... {max(widths)} wide, {min(heights)} ... {max(heights)} high"
