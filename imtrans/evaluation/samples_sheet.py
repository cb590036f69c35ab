"""Several outputs for each of a few sources, side by side: not selected, the first by name."""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from imtrans.data.pixels import images
from imtrans.evaluation.files import PICTURES
from imtrans.evaluation.seen import SeenImages

SHEET = "samples.png"
FIRST, SHOWN = 6, 8  # sources, and outputs of each
LONGEST = 256  # px, of one picture


def write_sheet(fresh: Path, seen: Iterable[SeenImages]) -> str:
    """Write a row of source | outputs | target for each, into the folder that `files.replacing`
    gave; returns the name of the file there. Raises OSError when it cannot be written."""
    rows = [list(_row(one)) for one in seen]
    pictures = [picture for row in rows for picture in row]
    height, width = (max(one.shape[side] for one in pictures) for side in (1, 2))
    whole = images.grid([[images.middle(one, (height, width)) for one in row] for row in rows])
    images.to_image(whole).save(fresh / PICTURES / SHEET)
    return f"{PICTURES}/{SHEET}"


def _row(seen: SeenImages) -> list[Tensor]:
    """Of one source, all in the size of the output."""
    assert seen.samples is not None
    encoding, source = seen.encoding, seen.source
    shown = [encoding.show_source(source)]
    shown += [encoding.show_target(one, source) for one in seen.samples.unbind(1)]
    if seen.has_target:
        shown.append(encoding.show_target(seen.target, source))
    height, width = seen.output.shape[-2:]
    scale = min(LONGEST / max(height, width), 1)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return [images.to_tensor(images.to_image(one).resize(size)) for one in shown]
