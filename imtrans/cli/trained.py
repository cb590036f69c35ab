"""The run or checkpoint that a command line names, to translate with."""

from functools import partial
from pathlib import Path
from shlex import quote

from imtrans.api.errors import ImtransError, quoted
from imtrans.cli.common import echo
from imtrans.recipe.naming import run_name, usual_run


def trained(
    recipe: str | None, checkpoint: str | None, best: bool, translator: str
) -> tuple[str, Path]:
    """What the results of a translator are named after, and the run, checkpoint or file with it;
    one of a hub is pulled. Raises ImtransError when none is named, or none is there."""
    from imtrans.runs.listing import best_checkpoint

    name, place = _named(recipe, checkpoint)
    name = name if translator == "generator" else f"{name}-{translator}"
    return name, best_checkpoint(place) if best else place


def _named(recipe: str | None, checkpoint: str | None) -> tuple[str, Path]:
    from imtrans.runs.hub.pull import local, name_of
    from imtrans.runs.listing import find_run

    if checkpoint:
        name = run_name(recipe) if recipe else name_of(checkpoint)
        return name, local(checkpoint, partial(echo, err=True))
    if not recipe:
        raise ImtransError("which model? name the --recipe that you trained, or a --checkpoint")
    run = find_run(recipe)
    if run is None:
        raise ImtransError(_no_run(usual_run(recipe), recipe))
    return run.resolve().name, run


def _no_run(run: Path, recipe: str) -> str:
    runs = sorted(path.name for path in run.parent.glob("*") if path.is_dir())
    there = (
        f"there are {quoted(runs[:10])}. name one of them, train it"
        if runs
        else f"nothing is in {run.parent}/ yet. train it"
    )
    return (
        f"{run}: no such run; {there} with `imtrans train {quote(recipe)}`, or name a --checkpoint"
    )
