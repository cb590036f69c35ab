from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import (
    DeviceOption,
    RecipeArgument,
    SetOption,
    console,
    exit_if_interrupted,
    installed,
    run_name,
    say,
)


def train(
    recipe: RecipeArgument,
    set_: SetOption = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the run is kept; runs/NAME by default."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew; an old run is moved aside, not deleted.")
    ] = False,
    device: DeviceOption = None,
) -> None:
    """Train a recipe; the same command again continues where it stopped.

    Ctrl-C finishes the step and saves. The run directory gets the resolved recipe, the losses
    (metrics.jsonl), sample pictures and checkpoints.

    Example: `imtrans train recipes/edges2shoes.toml --set data.root=my/pairs`
    """
    from imtrans import recipe as recipes
    from imtrans.training.fit import fit

    catalog = installed()
    resolved = recipes.read(recipe, set_ or (), catalog)
    folder = run_dir or Path("runs") / run_name(recipe)
    out = console()
    outcome = fit(resolved, catalog, folder, device=device, fresh=fresh, console=out)
    if outcome.interrupted_by is None:
        say(out, f"{outcome.step} steps trained: {outcome.checkpoint}")
        say(out, f"translate with: imtrans translate --checkpoint {folder} INPUT")
    exit_if_interrupted(outcome, out)
