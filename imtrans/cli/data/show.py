from pathlib import Path
from typing import Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import RecipeArgument, SetOption, a_path, console, installed, say
from imtrans.recipe.naming import run_name


def show(
    recipe: RecipeArgument,
    set_: SetOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path, metavar="FILE", help="The picture to write; RECIPE-pairs.png by default."
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, max=1000, help="How many pairs, spread evenly.")
    ] = 16,
    validation: Annotated[
        bool, typer.Option("--validation", help="Those for validation, not those trained on.")
    ] = False,
) -> None:
    """Write a contact sheet of pairs as the network will see them: source | target.

    Resized, cropped, flipped, augmented and derived as the recipe says.

    Example: `imtrans data show recipes/facades.toml`
    """
    from imtrans.data.contact_sheet import contact_sheet
    from imtrans.host.files import write_whole
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    catalog = installed()
    resolved = recipes.read(recipe, set_ or (), catalog)
    task = Task(resolved, catalog)
    pairs = task.validation_pairs if validation else task.pairs
    if not pairs:
        raise ImtransError(
            "there are no validation pairs; name a split in data.validation, or a share"
        )
    path = output or Path(f"{run_name(recipe)}-pairs.png")
    if path.suffix.lower() != ".png":
        raise ImtransError(f"'{path}': the picture is a PNG; name it so")
    sheet = contact_sheet(pairs, task.sampler, task.encoding, count, jittered=not validation)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, sheet)
    out = console()
    say(out, f"{min(count, len(pairs))} of {len(pairs)} pairs, source | target: {path}")
