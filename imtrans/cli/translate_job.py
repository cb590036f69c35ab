"""The images of a folder translated by the processes that share it, and what is said of them."""

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import typer

from imtrans.cli.common import echo, say
from imtrans.cli.sharing import Sharing
from imtrans.host.words import counted

if TYPE_CHECKING:
    from imtrans.translation.folder import TranslatedFolder, Way
    from imtrans.translation.jobs import Job
    from imtrans.translation.tiles.tiled import TiledTranslator
    from imtrans.translation.translator import Translator


def translate_job(
    translator: "Translator",
    tiled: "TiledTranslator | None",
    jobs: list["Job"],
    folder: Path | None,
    way: "Way",
    sharing: Sharing,
) -> "TranslatedFolder | None":
    """Translate this process's share of all jobs, with a progress bar, and say what became of the
    images: those of all ranks, which rank 0 waits for; None for the others."""
    from imtrans.translation.folder import TranslatedFolder

    start = monotonic()
    outcome = _translate(translator, tiled, jobs, folder, way, sharing)
    if folder:
        said = sharing.gathered(vars(outcome))
        if said is None:
            return None
        outcome = TranslatedFolder()
        for one in said:
            outcome.add(TranslatedFolder(**one))
    if translator.compiled and (reason := translator.compiled.remark):
        echo(f"note: not compiled: {reason}", err=True)
    for broken in outcome.broken:
        echo(f"skipped: {broken}", err=True)
    for kind, (first, *others) in outcome.remarks.items():
        more = f"; likewise {len(others)} more" if others else ""
        remedy = ". --size chooses another size" if kind == "size" else ""
        echo(f"note: {first}{more}{remedy}", err=True)
    for line in _summary(outcome, jobs, folder, monotonic() - start, sharing):
        say(sharing.console(), line)
    return outcome


def _translate(
    translator: "Translator",
    tiled: "TiledTranslator | None",
    jobs: list["Job"],
    folder: Path | None,
    way: "Way",
    sharing: Sharing,
) -> "TranslatedFolder":
    from imtrans.translation.folder import translate_files
    from imtrans.translation.tiles.files import count_tiles, translate_in_tiles

    mine = way.share.picked(jobs)
    count = count_tiles(tiled, mine) if tiled else len(mine)
    try:
        with sharing.progress(sharing.console(), "translating", count) as advance:
            if tiled:
                return translate_in_tiles(tiled, jobs, folder, advance, way)
            return translate_files(translator, jobs, folder, advance, way)
    except KeyboardInterrupt:
        if sharing.leads:
            echo("interrupted" + ("; the same command continues" if folder else ""), err=True)
        raise typer.Exit(130) from None


def _summary(
    outcome: "TranslatedFolder",
    jobs: list["Job"],
    folder: Path | None,
    seconds: float,
    sharing: Sharing,
) -> list[str]:
    if not folder:
        results = jobs[0].results
        if outcome.done:
            return [str(result) for result in results]
        return [f"nothing written to {results[0]}"]
    parts = [f"{counted(outcome.done, 'image')} in {folder}"]
    if len(jobs[0].results) > 1:
        parts.append(f"{len(jobs[0].results)} samples of each")
    if outcome.kept:
        parts.append(f"{outcome.kept} there already")
    if outcome.broken:
        parts.append(f"{len(outcome.broken)} skipped")
    if not sharing.share.named.is_all:
        parts.append(f"share {sharing.share.named} of {counted(len(jobs), 'image')}")
    rate = f" ({outcome.done / max(seconds, 1e-9):.1f} images/s)" if outcome.done else ""
    return [", ".join(parts) + rate]
