from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.cli.common import console, say

if TYPE_CHECKING:
    from imtrans.data.cache.store import Entry


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

    Training makes them unless `data.cache = false`. They are in ~/.cache/imtrans (on macOS
    ~/Library/Caches/imtrans), or in $IMTRANS_CACHE.

    Example: `imtrans data cache --clear`
    """
    from imtrans.cli.tables import print_table
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
    rows = [_row(entry) for entry in reversed(chosen)]
    if rows:
        print_table(out, ["cache", "size", "last used", "pairs"], rows)
    total = size(sum(entry.bytes for entry in chosen))
    say(out, f"{counted(len(chosen))}, {total}, in {home()}")


def _row(entry: "Entry") -> list[str]:
    from imtrans.host.words import size

    of = entry.about
    # Absolute: `.` would be another folder by now.
    what = f"{of.pairs} at {of.size} px, {of.root}" if of else "incomplete"
    return [entry.name, size(entry.bytes), _day(entry.used), what]


def counted(caches: int) -> str:
    return "1 cache" if caches == 1 else f"{caches} caches"


def _day(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")
