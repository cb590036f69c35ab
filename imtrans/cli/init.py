from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import console, installed, not_empty, say, say_wrapped
from imtrans.cli.new_recipe import OutputOption, check_place, write

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.drafting.draft import Draft
    from imtrans.drafting.machine import Cost
    from imtrans.recipe.catalog import Catalog

LONGEST = 1e6  # hours: a century


def init(
    folder: Annotated[
        str, typer.Argument(parser=not_empty, metavar="FOLDER", help="The folder of pictures.")
    ],
    output: OutputOption = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The side that is given, by its name: `he`, `labels`, `left`, `A`."
        ),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="HOURS",
            help="Plan a training of about this time on this machine: `--hours 8`.",
        ),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train the recipe at once, and end with a report.")
    ] = False,
) -> None:
    """Plan a recipe for a folder of pictures: find the pairs, look at some, and time a step.

    Pairs are found as two folders, by families of names (1_he.png and 1_ihc.png, photos/ and
    labels/ anywhere in a tree), in a spreadsheet, side by side in one file, or in tar files. The
    recipe has a reason for every choice. Networks, batches and epochs suit this machine, and
    --hours.

    Example: `imtrans init my-pictures --hours 8`
    """
    from imtrans.api.errors import ImtransError
    from imtrans.drafting.draft import draft
    from imtrans.drafting.machine import this_machine
    from imtrans.recipe import reading as recipes

    path = output or Path(f"{Path(folder).resolve().name}.toml")
    if train and path.exists():
        raise ImtransError(f"{path}: is there already. to go on: imtrans train {quote(str(path))}")
    check_place(path)
    if hours is not None and not 0 < hours <= LONGEST:
        raise ImtransError(f"--hours {hours:g}: a number of hours, as in --hours 8")
    catalog = installed()
    measure = partial(_measured, catalog, console())
    machine = this_machine()
    drafted = draft(folder, source, catalog, machine=machine, hours=hours, measure=measure)
    recipes.parse(drafted.text, str(path), catalog=catalog)
    write(path, drafted.text)
    _report(console(), drafted, path)
    if train:
        _train(path)
    else:
        _say_what_to_do(console(), path)


def _measured(catalog: "Catalog", out: "Console", text: str) -> "Cost":
    """What a step of a drafted recipe takes here."""
    from imtrans.drafting.machine import cost
    from imtrans.recipe import reading as recipes

    recipe = recipes.parse(text, "the draft", catalog=catalog)
    assert recipe.generator is not None
    width = recipe.generator.options.get("width", 64)
    size = f"{recipe.data.crop[0]} px, width {width}, batches of {recipe.train.batch_size}"
    say(out, f"timing a step of {recipe.generator.name}: {size}")
    return cost(recipe, catalog)


def _report(out: "Console", drafted: "Draft", path: Path) -> None:
    """What was taken, and what else it could be."""
    say(out, drafted.opening)
    said = [choice for choice in drafted.choices if choice.table not in ("", "[[loss]]")]
    width = max(len(choice.path) for choice in said)
    for choice in said:
        say(out, f"  {choice.path:<{width}}  {choice.shown}")
    for remark in drafted.remarks:
        say_wrapped(out, f"note: {remark}")
    say(out, f"written to {path}, with a reason for every choice")


def _say_what_to_do(out: "Console", path: Path) -> None:
    shown = quote(str(path))
    say(out, "next:")
    say(out, f"  imtrans data show {shown}   # a picture of the pairs: look at it")
    say(out, f"  imtrans data check {shown}   # opens every picture")
    say(out, f"  imtrans train {shown}")


def _train(path: Path) -> None:
    """As `imtrans train PATH` would."""
    from imtrans.cli.train import train

    train(str(path))
