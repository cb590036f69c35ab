from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import SetOption, a_path, console, installed, say


def import_weights(
    files: Annotated[
        list[Path],
        typer.Argument(
            parser=a_path, metavar="FILE...", help="latest_net_G.pth, latest_net_D.pth, or both."
        ),
    ],
    recipe: Annotated[
        str, typer.Option(metavar="RECIPE", help="The task the weights were trained for.")
    ],
    output: Annotated[
        Path, typer.Option(parser=a_path, metavar="DIR", help="The checkpoint to write.")
    ],
    set_: SetOption = None,
) -> None:
    """Convert the .pth files of the published PyTorch pix2pix or CycleGAN to a checkpoint.

    Architecture, width, norm and channels are inferred from the weights; the task and the format of
    its data come from the recipe. No code in the files is ever run. Of CycleGAN give
    latest_net_G_A.pth and latest_net_G_B.pth: both directions translate then.

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
