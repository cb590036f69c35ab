from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import SetOption, console, installed, say


def import_weights(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="latest_net_G.pth, latest_net_D.pth, or both."),
    ],
    recipe: Annotated[
        str, typer.Option(metavar="RECIPE", help="The task that these weights were trained for.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the checkpoint is written.")],
    set_: SetOption = None,
) -> None:
    """Turn the .pth files of the published PyTorch pix2pix or CycleGAN into a checkpoint.

    The architecture, width, norm and channels are read off the weights; what the task is, and how
    its data look, comes from the recipe. No code in the file is ever run.

    Example: `imtrans import-weights latest_net_G.pth --recipe facades --output facades-published`
    """
    from imtrans.recipe import reading as recipes
    from imtrans.runs import published_weights

    catalog = installed()
    resolved = recipes.read(recipe, set_ or (), catalog)
    found = published_weights.import_weights(files, resolved, catalog, output)
    out = console()
    for each in found:
        say(out, f"{each.path}: {each.role} {each}")
    say(out, f"written to {output}")
