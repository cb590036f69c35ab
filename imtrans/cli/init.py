from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import a_path, console, installed, not_empty, say

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.drafting.draft import Draft


def init(
    folder: Annotated[
        str, typer.Argument(parser=not_empty, metavar="FOLDER", help="The folder of pictures.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=a_path,
            metavar="FILE",
            help="The recipe to write; FOLDER.toml here by default.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The side that is given, by its name: `he`, `labels`, `left`, `A`."
        ),
    ] = None,
) -> None:
    """Write a recipe for a folder of pictures: find the pairs, and look at some of them.

    Pairs are found as two folders, by families of names (1_he.png and 1_ihc.png, photos/ and
    labels/ anywhere in a tree), in a spreadsheet, side by side in one file, or in tar files. The
    recipe has a reason for every choice.

    Example: `imtrans init my-pictures`
    """
    from imtrans.api.errors import ImtransError
    from imtrans.drafting.draft import draft
    from imtrans.host.files import write_whole
    from imtrans.recipe import reading as recipes

    path = output or Path(f"{Path(folder).resolve().name}.toml")
    if path.suffix != ".toml":
        raise ImtransError(f"'{path}': a recipe is a .toml file; name it so")
    if path.exists():
        raise ImtransError(f"{path}: is there already. choose another name with -o, or remove it")
    catalog = installed()
    drafted = draft(folder, source, catalog)
    recipes.parse(drafted.text, str(path), catalog=catalog)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, drafted.text.encode())
    _report(console(), drafted, path)


def _report(out: "Console", drafted: "Draft", path: Path) -> None:
    """What was taken, what else it could be, and what to type next."""
    say(out, drafted.opening)
    said = [choice for choice in drafted.choices if choice.table.startswith("data")]
    said += [choice for choice in drafted.choices if choice.path in ("generator.name",)]
    width = max(len(choice.path) for choice in said)
    for choice in said:
        say(out, f"  {choice.path:<{width}}  {choice.shown}")
    for remark in drafted.remarks:
        say(out, f"note: {remark}")
    say(out, f"written to {path}, with a reason for every choice. next:")
    say(out, f"  imtrans data show {quote(str(path))}   # a picture of the pairs: look at it")
    say(
        out,
        f"  imtrans data check {quote(str(path))}   # opens every picture",
    )
    say(out, f"  imtrans train {quote(str(path))}")
