"""Where the tiles of a picture are, and how much each counts where several overlap."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.translation.padding import padded_size

SHARE = 8  # the overlap by default: this part of a tile


def checked(tile: int, overlap: int | None, stride: int) -> tuple[int, int]:
    """A tile and its overlap, in px of what the network sees; the tile is the next multiple of the
    network's stride. Raises ImtransError for what no tiles can be."""
    if tile < 1:
        raise ImtransError(f"tiles of {tile} px; use --tile 512, or another size above 0")
    whole = padded_size(tile, stride)
    overlap = whole // SHARE if overlap is None else overlap
    if not 0 <= overlap < whole / 2:
        raise ImtransError(
            f"an overlap of {overlap} px in tiles of {whole} px; use --overlap {whole // SHARE}, "
            f"or another below half a tile, {whole // 2}"
        )
    return whole, overlap


@dataclass(frozen=True)
class Axis:
    """The tiles along one side of a picture, of `size` px. `tile` is a multiple of `stride`.

    They are spread evenly, so that each overlaps the next by no less than `overlap`. The picture is
    reflected at its borders until they fit; a picture of one tile is padded as without tiles.

    All begin at multiples of `grid`: a strided network computes pixels by their place in its grid,
    and two tiles agree where they overlap only if their grids do. That is the stride, or, where the
    overlap is smaller (a U-Net with a stride of 256), the largest part of it that the overlap has
    room for: the finest layers, whose grid is what an eye could see, agree then.
    """

    size: int
    tile: int
    overlap: int
    stride: int

    @cached_property
    def grid(self) -> int:
        grid = self.stride
        while grid > max(self.overlap, 1) and grid % 2 == 0:
            grid //= 2
        return grid

    @cached_property
    def length(self) -> int:
        """px of a tile: of a picture that is smaller than one, of the picture padded."""
        return min(self.tile, padded_size(self.size, self.stride))

    @cached_property
    def padded(self) -> int:
        """px of the picture with its reflected borders."""
        return max(self.length, -(-self.size // self.grid) * self.grid)

    @property
    def before(self) -> int:
        """px that are reflected before its first."""
        return (self.padded - self.size) // 2

    @cached_property
    def starts(self) -> list[int]:
        """Where each tile begins in the padded picture."""
        room = (self.padded - self.length) // self.grid
        if not room:
            return [0]
        step = max((self.length - self.overlap) // self.grid, 1)
        gaps = -(-room // step)
        return [index * room // gaps * self.grid for index in range(gaps + 1)]

    @cached_property
    def apart(self) -> list[tuple[int, int]]:
        """Tiles that overlap nothing but what the last one must: where each begins, and how many px
        it has that none before it had."""
        starts = range(0, self.padded - self.length + 1, self.length)
        apart = [(start, self.length) for start in starts]
        if rest := self.padded - apart[-1][0] - self.length:
            apart.append((self.padded - self.length, rest))
        return apart

    @cached_property
    def weights(self) -> Tensor:
        """How much each tile counts at each of its px, (tiles, length): raised cosines over what
        two tiles share. For each px of the picture they add up to 1."""
        windows = torch.ones(len(self.starts), self.length)
        for index, (start, following) in enumerate(pairwise(self.starts)):
            shared = start + self.length - following
            rise = (torch.arange(shared) + 0.5).mul(torch.pi / 2 / max(shared, 1)).sin().square()
            windows[index + 1, :shared] *= rise
            windows[index, self.length - shared :] *= rise.flip(0)
        # Where three tiles share a px, as at the ends of small pictures, this is more than 1.
        sums = torch.zeros(self.padded)
        places = [slice(start, start + self.length) for start in self.starts]
        for place, window in zip(places, windows, strict=True):
            sums[place] += window
        return windows / torch.stack([sums[place] for place in places])

    def seen(self, start: int, length: int) -> tuple[int, int, Tensor | None]:
        """What px of the padded picture show: the first of the picture's px that are needed, how
        many, and which of these each shows; None: each the next."""
        first = start - self.before
        if first >= 0 and first + length <= self.size:
            return first, length, None
        # A triangle wave: 0 .. size-1 and back, the outermost px not repeated.
        period = max(2 * (self.size - 1), 1)
        at = torch.arange(first, first + length) % period
        at = torch.minimum(at, period - at) if self.size > 1 else at * 0
        low, high = int(at.min()), int(at.max())
        return low, high - low + 1, at - low

    def own(self, start: int, end: int) -> tuple[int, int]:
        """The picture's own px among some of the padded one: from the first, to before the last."""
        return max(start, self.before), min(end, self.before + self.size)


@dataclass(frozen=True)
class Tiling:
    """The tiles of a picture."""

    down: Axis
    across: Axis

    @classmethod
    def of(cls, size: tuple[int, int], tile: int, overlap: int, stride: int) -> "Tiling":
        """Of a picture of this height and width."""
        return cls(*(Axis(side, tile, overlap, stride) for side in size))

    def __len__(self) -> int:
        return len(self.down.starts) * len(self.across.starts)

    def apart(self) -> list[tuple[int, int, float]]:
        """Tiles that cover the picture once: top, left, and the share that is not another's."""
        area = self.down.length * self.across.length
        return [
            (top, left, rows * columns / area)
            for top, rows in self.down.apart
            for left, columns in self.across.apart
        ]
