from typing import Annotated

import typer

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.cli.common import console, say


def cache(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Some caches by name; all by default."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove them, but for those in use.")
    ] = False,
) -> None:
    """List the caches of decoded pairs, or clear them.

    Training makes them where `data.cache` says so. They are in the user's folder for caches, or in
    $IMTRANS_CACHE.

    Example: `imtrans data cache --clear`
    """
    from imtrans.data.cache.store import entries, home, remove
    from imtrans.host.words import size

    out = console()
    there = entries()
    if unknown := sorted({*(names or ())} - {entry.name for entry in there}):
        near = did_you_mean(unknown[0], [entry.name for entry in there])
        raise ImtransError(f"no cache {quoted(unknown)} in {home()}{near}")
    chosen = [entry for entry in there if not names or entry.name in names]
    if clear:
        removed = [entry for entry in chosen if remove(entry)]
        kept = f"; {len(chosen) - len(removed)} in use are kept" if removed != chosen else ""
        freed = size(sum(entry.bytes for entry in removed))
        say(out, f"removed {counted(len(removed))}, {freed}{kept}")
        return
    for entry in reversed(chosen):
        of = entry.about
        what = f"{of.pairs} pairs at {of.size} px, {of.root}" if of else "not whole"
        say(out, f"{entry.name}  {size(entry.bytes):>8}  used {_day(entry.used)}  {what}")
    total = size(sum(entry.bytes for entry in chosen))
    say(out, f"{counted(len(chosen))}, {total}, in {home()}")


def counted(caches: int) -> str:
    return "1 cache" if caches == 1 else f"{caches} caches"


def _day(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")
