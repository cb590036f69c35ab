import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import a_path, console, say

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.data.fetching.sets import PublishedSet


def fetch(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A published set; all are listed without.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            parser=a_path, metavar="DIR", help="The folder to make, by default datasets/NAME."
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Another server: its folder of archives, or an archive."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Take only an archive of this checksum.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archive, beside DIR.")] = False,
) -> None:
    """Fetch a published set, of pix2pix or CycleGAN, and unpack it where the recipes look for it.

    A transfer that was cut continues with the same command. An archive that you put beside DIR, as
    DIR.tar.gz or DIR.zip, is unpacked without a network. Without NAME the published sets are
    listed.

    Example: `imtrans data fetch facades`
    """
    from imtrans.cli.data.transfer import Transfer
    from imtrans.data.fetching import fetch as fetching
    from imtrans.data.fetching.sets import published

    out = console()
    if name is None:
        _list(out)
        return
    published_set = published(name)
    target = folder or Path(published_set.folder)
    source = fetching.Source(published_set.address(mirror), _checksum(sha256), keep)
    try:
        with Transfer(out) as watch:
            new = fetching.fetch(published_set, target, source, watch)
    except KeyboardInterrupt:
        say(out, "interrupted; the same command continues")
        raise typer.Exit(130) from None
    _report(out, published_set, target, new)


def fetch_hint(error: ImtransError) -> str:
    """How to get the data set, to be added to an error that says it is not there."""
    from imtrans.api.layouts import MissingRoot
    from imtrans.data.fetching.sets import SETS

    if not isinstance(error, MissingRoot):
        return ""
    root = Path(error.root)
    found = next((known.name for known in SETS.values() if Path(known.folder) == root), None)
    return f", or fetch them with `imtrans data fetch {found}`" if found else ""


def _list(out: "Console") -> None:
    from imtrans.data.fetching.sets import SETS
    from imtrans.host.words import size

    for known in SETS.values():
        splits, recipes = ", ".join(known.splits), ", ".join(known.recipes)
        use = f"for {recipes}" if recipes else "unpaired"
        say(out, f"{known.name:<22} {size(known.size):>7}  {splits:<28}  {use}")


def _report(out: "Console", published_set: "PublishedSet", target: Path, new: bool) -> None:
    """What is there now, and what to do with it."""
    from imtrans.data.fetching.fetch import images

    counts = images(target)
    order = [
        *published_set.splits,
        *(split for split in counts if split not in published_set.splits),
    ]
    said = ", ".join(f"{split} {counts.get(split, 0)}" for split in order)
    say(out, f"{'' if new else 'already there: '}{target}, images: {said}")
    elsewhere = ""
    if target != Path(published_set.folder):
        elsewhere = f" --set {shlex.quote(f'data.root={_as_value(str(target))}')}"
    if not published_set.recipes:
        root = json.dumps(str(target), ensure_ascii=False)
        say(out, f'in a recipe: [data] root = {root}, layout = "unpaired"')
    for recipe in published_set.recipes:
        say(out, f"to train on it: imtrans train {recipe}{elsewhere}")


def _as_value(text: str) -> str:
    """A text as `--set` takes it: bare, if it does not look like anything else there."""
    try:
        tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return json.dumps(text, ensure_ascii=False)  # a folder `2024`, or `true`


def _checksum(text: str | None) -> str | None:
    if text is None:
        return None
    digits = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ImtransError(f"--sha256 '{text}' is not 64 hexadecimal digits")
    return digits
