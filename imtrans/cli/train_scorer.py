from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from imtrans.cli.common import (
    DeviceOption,
    RecipeArgument,
    SetOption,
    a_path,
    console,
    installed,
    progress,
    say,
    say_wrapped,
)
from imtrans.recipe.naming import recipe_and_run, run_name


def train_scorer(
    recipe: RecipeArgument,
    set_: SetOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path,
            metavar="FILE",
            help="Default: scorers/NAME.safetensors, where `imtrans evaluate` finds it.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(metavar="N", min=1, help="Batches of 8 pairs to train on.")
    ] = 2000,
    device: DeviceOption = None,
) -> None:
    """Train a small segmenter on the real pairs of a recipe that makes photographs from label maps.

    `imtrans evaluate` then has outputs labelled again, and says how well that succeeds: the paper's
    FCN score, beside that of the real photographs, the ceiling. Compare only scores of the same
    scorer.

    Example: `imtrans train-scorer recipes/facades.toml`
    """
    from imtrans.evaluation.labels import SCORERS
    from imtrans.evaluation.scorer_training import train_scorer as train
    from imtrans.host.words import counted
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    catalog, out = installed(), console()
    source, usual, again = recipe_and_run(recipe)
    task = Task(recipes.read(source, set_ or (), catalog, old=again), catalog)
    name = usual.name if again else run_name(recipe)
    path = output or SCORERS / f"{name}.safetensors"
    trained = train(task, path, steps=steps, device=device, bar=partial(progress, out))
    say(out, f"{counted(steps, 'step')} trained, {trained.classes} classes: {trained.path}")
    if trained.ceiling:
        values = "  ".join(f"{key} {value:.4f}" for key, value in trained.ceiling.items())
        photographs = counted(trained.photographs, "real photograph")
        say_wrapped(out, f"on {photographs} for validation, the ceiling: {values}")
    say(out, f"measure with it: imtrans evaluate --recipe NAME --scorer {quote(str(path))}")
