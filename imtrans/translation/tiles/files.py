"""Files through a translator in tiles, one after another."""

from collections.abc import Callable, Sequence
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.rows import CannotWrite
from imtrans.host.files import concerns_one
from imtrans.translation.folder import TranslatedFolder, Way, made_from
from imtrans.translation.jobs import Job
from imtrans.translation.tiles.tiled import TiledTranslator
from imtrans.translation.writers import entered


def translate_in_tiles(
    tiled: TiledTranslator,
    jobs: Sequence[Job],
    output: Path | None,
    on_tile: Callable[[], None],
    way: Way = Way(),  # noqa: B008  # which is frozen
) -> TranslatedFolder:
    """As `translate_files`, in tiles. `on_tile` is called after each of all jobs of the share."""
    outcome = TranslatedFolder()
    sizes = f"{tiled.tiles.tile} px, overlapping by {tiled.tiles.overlap}"
    made = made_from(tiled.translator, way, sizes)
    with entered(output, jobs, way.share, made, way.overwrite) as left:
        there = set(way.share.picked(jobs)) - set(left)
        outcome.kept = len(there)
        for _ in range(count_tiles(tiled, list(there))):
            on_tile()
        for job in left:
            try:
                for seed, place in zip(way.seeds, job.results, strict=True):
                    seeded = tiled.with_seed(seed)
                    remarks = seeded.translate_file(job.path, place, on_tile, way.quality)
                outcome.note(job.path, remarks)
                outcome.done += 1
            except ImtransError as error:
                if isinstance(error, CannotWrite) and not concerns_one(error.__cause__):
                    raise  # the rest would fail too
                outcome.broken.append(str(error))
    outcome.broken.sort()
    return outcome


def count_tiles(tiled: TiledTranslator, jobs: Sequence[Job]) -> int:
    """How many tiles all jobs have. A file that cannot be read counts one."""
    return sum(_count(tiled, job.path) * len(job.results) for job in jobs)


def _count(tiled: TiledTranslator, path: Path) -> int:
    try:
        return tiled.tile_count(path)
    except ImtransError:
        return 1  # who translates it says what is wrong
