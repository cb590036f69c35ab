from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.recipe.catalog import Catalog
    from imtrans.recipe.schema import Recipe


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
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what it would be and take; write nothing."),
    ] = False,
) -> None:
    """Train a recipe; the same command again continues where it stopped.

    Ctrl-C finishes the step and saves. The run directory gets the resolved recipe, the losses
    (metrics.jsonl), sample pictures and checkpoints.

    With --dry-run it prints the whole recipe, the sizes of the networks, and estimates of memory,
    disk and time, from one step on noise.

    Example: `imtrans train recipes/edges2shoes.toml --set data.root=my/pairs`
    """
    from imtrans.recipe import reading as recipes
    from imtrans.training.fit import fit

    catalog = installed()
    resolved = recipes.read(recipe, set_ or (), catalog)
    folder = run_dir or Path("runs") / run_name(recipe)
    out = console()
    if dry_run:
        _foretell(resolved, catalog, folder, device, fresh, out)
        return
    outcome = fit(resolved, catalog, folder, device=device, fresh=fresh, console=out)
    if outcome.interrupted_by is None:
        say(out, f"{outcome.step} steps trained: {outcome.checkpoint}")
        say(out, f"translate with: imtrans translate --checkpoint {folder} INPUT")
    exit_if_interrupted(outcome, out)


def _foretell(
    recipe: "Recipe",
    catalog: "Catalog",
    folder: Path,
    device: str | None,
    fresh: bool,
    out: "Console",
) -> None:
    from functools import partial

    from imtrans.checking.plan import estimate
    from imtrans.cli.plan import told
    from imtrans.recipe import reading as recipes

    tell = partial(say, out)
    tell(recipes.dumps(recipe))
    found = estimate(recipe, catalog, folder, device=device, fresh=fresh, say=tell)
    for line in told(found):
        tell(line)
    tell("nothing was written; without --dry-run it begins")
