"""A picture of any size through a translator, tile by tile; memory holds one line of tiles.

Tiles overlap, and are blended where they do. Norms use statistics of the whole picture, gathered
in a first pass, so that no tile differs in tone. What else a network computes of all that it sees
(attention, a global pooling) it computes of a tile. A network that draws random numbers draws
others for each tile.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.data.encoding import Encoding
from imtrans.data.pixels.formats.stored import LARGE
from imtrans.data.pixels.windows import Windows
from imtrans.host.devices import free_memory
from imtrans.translation.held_statistics import Gathering, Held, Statistics, pooled
from imtrans.translation.memory import SPARE, bytes_per_pixel, most_pixels, tile_option
from imtrans.translation.tiling import Tiling, checked
from imtrans.translation.translator import Translator

# Statistics are gathered of so many tiles at most, evenly spread, of which so many are normalised
# together, or as many as BUDGET bytes on a CPU hold. Measured on 40 aerial photographs of 256 px,
# sorted by their brightness into one of 2048 x 1280, with a resnet_6 trained on such: the output in
# tiles of 256 px is on average 0.3 grey levels (of 255) from that of the whole (p99: 0.8) if all
# tiles are normalised together, 4 together and then pooled, or 16; 0.5 (p99: 2) one by one and
# pooled; 0.4 (p99: 2) if 16 of the 40 are a sample, and 0.8 (p99: 4) if 8 are. With each tile's
# own statistics it is 2.4 (p99: 15). All of a picture of thousands of tiles would double the time.
SAMPLE, TOGETHER, BUDGET = 64, 8, 2**29
IN_LINE = 12  # bytes of a value in a line of tiles: its sum, a copy that is moved, what is decoded


class Seen(Protocol):
    """A picture as the network sees it, which need not be in memory."""

    size: tuple[int, int]  # height and width

    def read(self, top: int, left: int, height: int, width: int) -> Tensor:
        """A window of it, (1, C, height, width) in [-1, 1], on the CPU. Raises ImtransError."""
        ...


class InMemory:
    """One that is in memory, (1, C, H, W)."""

    def __init__(self, source: Tensor) -> None:
        self._source = source
        self.size = source.shape[-2], source.shape[-1]

    def read(self, top: int, left: int, height: int, width: int) -> Tensor:
        return self._source[..., top : top + height, left : left + width]


class InWindows:
    """One that is read from its file, window by window."""

    def __init__(self, windows: Windows, encoding: Encoding) -> None:
        self._windows, self._encoding, self.size = windows, encoding, windows.size
        self._beyond: list[float] = []

    def read(self, top: int, left: int, height: int, width: int) -> Tensor:
        pixels = self._windows.read(top, left, height, width)
        self._beyond.append(self._encoding.beyond(pixels))
        return self._encoding.seen(pixels)

    @property
    def beyond(self) -> float:
        """The share of values outside the range of training, in what was read."""
        return sum(self._beyond) / max(len(self._beyond), 1)


class Tiles:
    """Translates what a network sees in tiles of `tile` px (rounded up to its stride) that overlap
    by at least `overlap` px: an eighth of a tile, unless it is given.

    Raises ImtransError for sizes that no tiles can have.
    """

    def __init__(self, translator: Translator, tile: int, overlap: int | None = None) -> None:
        self.translator = translator
        self.stride = translator.stride
        self.tile, self.overlap = checked(tile, overlap, self.stride)

    def tiling(self, size: tuple[int, int]) -> Tiling:
        """The tiles of a picture of this height and width."""
        return Tiling.of(size, self.tile, self.overlap, self.stride)

    def outputs(self, seen: Seen, on_tile: Callable[[], None] = lambda: None) -> Iterator[Tensor]:
        """The output, some rows at a time from the top: (1, C, h, W) on the translator's device,
        valid until the next are asked for. Raises ImtransError where a tile does not fit into
        memory."""
        tiling = self.tiling(seen.size)
        self._check_room(tiling)
        # One tile is the picture as it would be without any.
        statistics = self.statistics(seen) if len(tiling) > 1 else None
        down, across = tiling.down, tiling.across
        columns = slice(*across.own(0, across.padded))
        band: Tensor | None = None  # the padded picture's rows from `top` on that tiles are in
        for line, (top, following) in enumerate(
            zip(down.starts, [*down.starts[1:], down.padded], strict=True)
        ):
            for place, left in enumerate(across.starts):
                output = self._tile(seen, tiling, top, left, statistics)
                if band is None:
                    band = output.new_zeros(1, output.shape[1], down.length, across.padded)
                weights = down.weights[line, :, None] * across.weights[place]
                part = band[..., left : left + across.length]
                part.addcmul_(output, weights.to(output.device))
                on_tile()
            assert band is not None
            first, end = down.own(top, following)
            if end > first:
                yield band[:, :, first - top : end - top, columns]
            rest = down.length - (following - top)
            band[:, :, :rest] = band[:, :, following - top :].clone()
            band[:, :, rest:] = 0

    def statistics(self, seen: Seen) -> Statistics | None:
        """What the norms would see of the whole picture; None for a network that has none."""
        tiling, parts = self.tiling(seen.size), []
        places = _spread(tiling.apart(), SAMPLE)
        together = self._together()
        batches = -(-len(places) // together)
        for index in range(batches):
            chosen = places[index::batches]
            tiles = torch.cat([_window(seen, tiling, top, left) for top, left, _ in chosen])
            gathering = Gathering(torch.tensor([share for *_, share in chosen]))
            with gathering:
                self._computed(tiles)
            if not gathering.found:
                return None
            parts.append((gathering.found, sum(share for *_, share in chosen)))
        return [
            pooled([(found[norm], weight) for found, weight in parts])
            for norm in range(len(parts[0][0]))
        ]

    def _together(self) -> int:
        """How many tiles statistics are gathered of at once."""
        translator = self.translator
        taken = bytes_per_pixel(translator.module, translator.encoding.source_channels)
        return max(1, min(TOGETHER, int(BUDGET / (SPARE * taken * self.tile**2)))) if taken else 1

    def _tile(
        self, seen: Seen, tiling: Tiling, top: int, left: int, statistics: Statistics | None
    ) -> Tensor:
        window, draw = _window(seen, tiling, top, left), top * tiling.across.padded + left
        if statistics is None:
            return self._computed(window, draw)
        with Held(statistics):
            return self._computed(window, draw)

    def _computed(self, tiles: Tensor, draw: int = 0) -> Tensor:
        seed = ((self.translator.seed or 0) + draw) % 2**63  # other noise for each tile
        try:
            return self.translator.computed(tiles.to(self.translator.device), seed)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ImtransError(self._too_large()) from error

    def _check_room(self, tiling: Tiling) -> None:
        """Refuse tiles that do not fit into what is free: on a CPU the process would be killed."""
        translator, down, across = self.translator, tiling.down, tiling.across
        if len(tiling) == 1 and down.length * across.length <= LARGE:
            return  # asking takes a moment
        channels = translator.encoding.source_channels
        most = most_pixels(translator.module, channels, translator.device)
        if most is not None and down.length * across.length > most:
            raise ImtransError(self._too_large())
        line = down.length * across.padded * IN_LINE * translator.encoding.target_channels
        free = free_memory(translator.device)
        if free is not None and line > free:
            raise ImtransError(
                f"not enough memory for a line of tiles, {across.padded} x {down.length} px. use "
                "a smaller --tile"
            )

    def _too_large(self) -> str:
        """That tiles do not fit into memory, and which do."""
        translator = self.translator
        channels = translator.encoding.source_channels
        remedy = tile_option(translator.module, channels, translator.device)
        return f"not enough memory for tiles of {self.tile} px. use {remedy}"


def _window(seen: Seen, tiling: Tiling, top: int, left: int) -> Tensor:
    """One tile of the padded picture, (1, C, h, w)."""
    first, height, rows = tiling.down.seen(top, tiling.down.length)
    begin, width, columns = tiling.across.seen(left, tiling.across.length)
    window = seen.read(first, begin, height, width)
    window = window if rows is None else window.index_select(-2, rows)
    return window if columns is None else window.index_select(-1, columns)


def _spread(places: list[tuple[int, int, float]], count: int) -> list[tuple[int, int, float]]:
    """So many of them, spread evenly over both sides of the picture; neighbours in the list are far
    from each other."""
    rows, columns = (sorted(set(side)) for side in list(zip(*places, strict=True))[:2])
    of, index = {place[:2]: place for place in places}, 0
    chosen: dict[tuple[int, int], tuple[int, int, float]] = {}
    while len(chosen) < min(count, len(places)):
        # The additive recurrence R2: every k-th would come back to the same columns.
        index += 1
        row = rows[int(index * 0.7548776662466927 % 1 * len(rows))]
        column = columns[int(index * 0.5698402909980532 % 1 * len(columns))]
        chosen[row, column] = of[row, column]
    return list(chosen.values())
