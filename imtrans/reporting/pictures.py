"""Pictures inside a page: as they are stored where that fits, else as WebP that does."""

import io
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from imtrans.data.pairs import spread

FORMATS = ("PNG", "JPEG", "WEBP")  # that are read here; every browser shows them
PLAIN = {"1", "L", "LA", "P", "RGB", "RGBA"}
MOST_PIXELS = 64_000_000
LONGEST = 1280  # px, of a side in a page
THREADS = 4
TRIED = 6
QUALITY, LOWEST = 90, 60
SMALLEST = 16  # px


@dataclass(eq=False)
class Figure:
    """A picture on its way into a page."""

    image: Image.Image
    stored: bytes | None = None  # its file, where a browser shows that as it is
    uri: str = ""
    width: int = 0  # px, as it is in the page
    height: int = 0


@dataclass(frozen=True)
class Encoded:
    """How pictures were brought into a page."""

    bytes: int
    scale: float
    quality: int | None  # of WebP; None: nothing was lost

    def __str__(self) -> str:
        if self.quality is None:
            return "Pixels are shown as they are stored."
        size = "at their own size" if self.scale == 1 else f"at {self.scale:.0%} of their size"
        return f"Shown {size}, compressed (WebP, quality {self.quality}); the files are exact."


def read_figure(path: Path) -> Figure | None:
    """A picture from a file, None where it cannot be shown: missing, broken, or too large."""
    with suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        content = path.read_bytes()
        return figure_of(content)
    return None


def figure_of(content: bytes) -> Figure:
    """Raises OSError or ValueError where the content is no picture that can be shown."""
    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("too many pixels")
        image.load()
    except UnidentifiedImageError as error:
        raise OSError("not a picture") from error
    plain = image.mode in PLAIN and max(image.size) <= LONGEST
    if image.mode not in ("RGB", "RGBA", "L"):
        alpha = "A" in image.mode or "transparency" in image.info
        image = image.convert("RGBA" if alpha else "RGB")
    image.thumbnail((LONGEST, LONGEST))
    return Figure(image, content if plain else None)


def fit(figures: Sequence[Figure], budget: int, *, lossless: bool = True) -> Encoded:
    """Give every figure its data URI, all together within `budget` bytes of a page."""
    if not figures:
        return Encoded(0, 1.0, None)
    if lossless and _fit_as_stored(figures, budget):
        return Encoded(sum(len(figure.uri) for figure in figures), 1.0, None)
    scale, quality, longest = 1.0, QUALITY, max(max(one.image.size) for one in figures)
    some = [figures[at] for at in spread(len(figures), TRIED)]
    while True:
        # A few of many say how large all will be.
        total = _encode(some, scale, quality) * len(figures) // len(some)
        if total <= budget or longest * scale <= SMALLEST:
            total = _encode(figures, scale, quality)
            if total <= budget or longest * scale <= SMALLEST:
                return Encoded(total, scale, quality)
            some = list(figures)
        if quality > LOWEST:
            quality -= 15
        else:
            scale *= min(sqrt(budget / total) * 0.95, 0.9)


def _fit_as_stored(figures: Sequence[Figure], budget: int) -> bool:
    """Give every figure its pixels as they are, unless that is too much."""
    left = budget * 3 // 4 - 100 * len(figures)  # base64 takes four bytes for three
    for figure in sorted(figures, key=lambda one: one.stored is None):
        if figure.stored is None and left > 0:
            file = io.BytesIO()
            figure.image.save(file, "PNG", compress_level=6)
            figure.stored = file.getvalue()
        left -= len(figure.stored or b"")
        if left < 0:
            return False
    for figure in figures:
        _give(figure, figure.stored or b"", figure.image.size)
    return True


def _encode(figures: Sequence[Figure], scale: float, quality: int) -> int:
    def one(figure: Figure) -> None:
        image = (
            figure.image if figure.image.mode in ("RGB", "RGBA") else figure.image.convert("RGB")
        )
        if scale < 1:
            size = [max(round(side * scale), 1) for side in image.size]
            image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=2.0)
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=1)
        _give(figure, file.getvalue(), image.size)

    with ThreadPoolExecutor(THREADS) as pool:  # Pillow lets other threads run meanwhile
        list(pool.map(one, figures))
    return sum(len(figure.uri) for figure in figures)


def _give(figure: Figure, content: bytes, size: tuple[int, int]) -> None:
    kind = "webp" if content[8:12] == b"WEBP" else "png" if content[1:4] == b"PNG" else "jpeg"
    figure.uri = f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"
    figure.width, figure.height = size
