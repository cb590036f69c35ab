"""Files through a translator in tiles, one after another."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.rows import CannotWrite
from imtrans.translation.folder import Job, TranslatedFolder, alone_in
from imtrans.translation.tiled import TiledTranslator


def translate_in_tiles(
    tiled: TiledTranslator, jobs: list[Job], output: Path | None, on_tile: Callable[[], None]
) -> TranslatedFolder:
    """As `translate_files`, in tiles. `on_tile` is called after each of all jobs."""
    outcome = TranslatedFolder()
    with alone_in(output) if output else nullcontext():
        for path, place in jobs:
            try:
                outcome.note(path, tiled.translate_file(path, place, on_tile))
                outcome.done += 1
            except CannotWrite:
                raise  # the rest would fail too
            except ImtransError as error:
                outcome.broken.append(str(error))
    return outcome


def count_tiles(tiled: TiledTranslator, jobs: list[Job]) -> int:
    """How many tiles all jobs have. A file that cannot be read counts one."""
    return sum(_count(tiled, path) for path, _ in jobs)


def _count(tiled: TiledTranslator, path: Path) -> int:
    try:
        return tiled.tile_count(path)
    except ImtransError:
        return 1  # who translates it says what is wrong
