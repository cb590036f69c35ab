"""Many pairs on one picture, as the networks see them."""

import io
import math
from collections.abc import Sequence

from torch import Tensor

from imtrans.api.pictures import Pair
from imtrans.data.encoding import Encoding
from imtrans.data.pairs import spread
from imtrans.data.pixels.images import grid, to_image
from imtrans.data.samples import Sampler


def contact_sheet(
    pairs: Sequence[Pair], sampler: Sampler, encoding: Encoding, count: int, *, jittered: bool
) -> bytes:
    """A PNG of up to `count` pairs, spread evenly: source | target, a few pairs in a row.

    `jittered` pairs are those of the first epoch of a training; others are whole.
    """
    tiles = [
        _tiles(encoding, *(sampler.training(pairs, 1, i) if jittered else sampler.plain(pairs[i])))
        for i in spread(len(pairs), count)
    ]
    columns = max(1, round(math.sqrt(len(tiles) / 2)))  # a tile is twice as wide as it is high
    rows = [
        [image for tile in tiles[first : first + columns] for image in tile]
        for first in range(0, len(tiles), columns)
    ]
    file = io.BytesIO()
    to_image(grid(rows)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _tiles(encoding: Encoding, source: Tensor, target: Tensor) -> list[Tensor]:
    source, target = encoding.encode(source[None], target[None])
    return [encoding.show_source(source), encoding.show_target(target, source)]
