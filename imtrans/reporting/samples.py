"""The sample grids of a run, taken apart: the cells of the last one, and a film of all of them.

A grid has rows of source | output | target, or of source | output where sources have no targets:
the same samples for each translator, one translator after the other.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from imtrans.data.pairs import spread
from imtrans.data.pixels.images import GAP
from imtrans.recipe.sizes import Sides
from imtrans.reporting.pictures import FORMATS, MOST_PIXELS, THREADS, Figure

FRAMES = 40
CELL = 256  # px, of a cell in the film
MOST_ROWS = 64


@dataclass(frozen=True)
class Geometry:
    """How a grid divides into cells of one size (px)."""

    width: int
    height: int
    rows: int
    columns: int  # 2 or 3

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        left, top = column * (self.width + GAP), row * (self.height + GAP)
        return left, top, left + self.width, top + self.height


def _ends(cells: int, side: int) -> list[int]:
    """Where all but the last of so many cells end."""
    return [(cell + 1) * (side + GAP) - GAP for cell in range(cells - 1)]


@dataclass(frozen=True)
class FilmFrame:
    """The outputs at a step, one above the other without gaps."""

    step: int
    figure: Figure


@dataclass
class Film:
    """What the translators make of the same sources at growing steps; all figures are columns of
    as many cells as there are rows."""

    translators: list[str]
    rows: int
    frames: list[FilmFrame]
    sources: Figure
    targets: Figure | None
    taken: int = 0  # steps with samples, of which the frames are chosen


@dataclass
class Samples:
    """The sample grids of a run."""

    film: Film | None = None
    cells: list[list[Figure]] = field(default_factory=list)  # of the last grid, row by row
    whole: Figure | None = None  # the last grid, where it does not divide into cells
    step: int = 0  # of the last grid
    unreadable: list[str] = field(default_factory=list)  # names of files


def read_samples(run: Path, crop: Sides | None, translators: Sequence[str]) -> Samples:
    """The grids in RUN/samples. `crop` is that of the recipe, where it is known."""
    found = Samples()
    paths = dict(sorted(_paths(run / "samples")))
    steps = list(paths)
    while steps and (last := _open(paths[steps[-1]], found)) is None:
        steps.pop()
    if not steps or last is None:
        return found
    found.step = steps[-1]
    shape = geometry(last, crop)
    if shape is None:
        found.whole = Figure(last)
        return found
    found.cells = [
        [Figure(last.crop(shape.box(row, column))) for column in range(shape.columns)]
        for row in range(shape.rows)
    ]
    found.film = _film(paths, steps, last, shape, translators, found)
    return found


def geometry(grid: Image.Image, crop: Sides | None) -> Geometry | None:
    """The cells of a grid, None where it does not divide into any, with white between them: squares
    where the crop is not known."""
    for columns in (3, 2):
        width, rest = divmod(grid.width + GAP, columns)
        width -= GAP
        height = crop[0] if crop else width
        if rest or width < 1 or (crop and width != crop[1]):
            continue
        rows, rest = divmod(grid.height + GAP, height + GAP)
        shape = Geometry(width, height, rows, columns)
        if not rest and 0 < rows <= MOST_ROWS and _is_divided(grid, shape):
            return shape
    return None


def _is_divided(grid: Image.Image, shape: Geometry) -> bool:
    gaps = [(x, 0, x + GAP, grid.height) for x in _ends(shape.columns, shape.width)]
    gaps += [(0, y, grid.width, y + GAP) for y in _ends(shape.rows, shape.height)]
    white = [(255, 255)] * len(grid.getbands())
    return all(list(grid.crop(gap).getextrema()) == white for gap in gaps)


def _paths(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("step_*.png"):
        number = path.stem.removeprefix("step_")
        if number.isdecimal() and len(number) <= 15:
            yield int(number), path


def _open(path: Path, found: Samples) -> Image.Image | None:
    with suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height <= MOST_PIXELS:
                return image.convert("RGB")
    found.unreadable.append(path.name)
    return None


def _film(
    paths: dict[int, Path],
    steps: list[int],
    last: Image.Image,
    shape: Geometry,
    translators: Sequence[str],
    found: Samples,
) -> Film:
    """Frames at steps that are spread evenly, the first and the last among them."""
    chosen = steps if len(steps) <= FRAMES else [steps[i] for i in spread(len(steps) - 1, FRAMES)]
    chosen = [step for step in chosen if step != steps[-1]]

    def frame(step: int) -> FilmFrame | None:
        grid = _open(paths[step], found)
        if grid is None or grid.size != last.size:  # of another recipe
            return None
        return FilmFrame(step, _column(grid, shape, 1))

    with ThreadPoolExecutor(THREADS) as pool:
        frames = [one for one in pool.map(frame, chosen) if one]
    frames.append(FilmFrame(steps[-1], _column(last, shape, 1)))
    named = list(translators) if shape.rows % max(len(translators), 1) == 0 else []
    targets = _column(last, shape, 2) if shape.columns == 3 else None
    return Film(
        named or ["generator"],
        shape.rows,
        frames,
        _column(last, shape, 0),
        targets,
        len(steps),
    )


def _column(grid: Image.Image, shape: Geometry, column: int) -> Figure:
    width = min(shape.width, CELL)
    height = round(shape.height * width / shape.width)
    image = Image.new("RGB", (width, height * shape.rows))
    for row in range(shape.rows):
        cell = grid.crop(shape.box(row, column))
        if width < shape.width:
            cell = cell.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        image.paste(cell, (0, row * height))
    return Figure(image)
