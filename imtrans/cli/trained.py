"""The run or checkpoint that a command line names, to translate with."""

from functools import partial
from pathlib import Path
from shlex import quote

from imtrans.api.errors import ImtransError, quoted
from imtrans.cli.common import echo
from imtrans.recipe.naming import run_name, usual_run


def trained(recipe: str | None, checkpoint: str | None, best: bool) -> tuple[str, Path]:
    """What results are named after, and the run, checkpoint or file with the translator; one of a
    hub is pulled. Raises ImtransError when none is named, or none is there."""
    from imtrans.runs.hub.pull import local, name_of
    from imtrans.runs.listing import best_checkpoint, find_run

    if checkpoint:
        name = run_name(recipe) if recipe else name_of(checkpoint)
        place = local(checkpoint, partial(echo, err=True))
        return name, best_checkpoint(place) if best else place
    if not recipe:
        raise ImtransError("which model? name the --recipe that you trained, or a --checkpoint")
    run = find_run(recipe)
    if run is None:
        raise ImtransError(_no_run(usual_run(recipe), recipe))
    return run.resolve().name, best_checkpoint(run) if best else run


def _no_run(run: Path, recipe: str) -> str:
    runs = sorted(path.name for path in run.parent.glob("*") if path.is_dir())
    there = f"there are {quoted(runs[:10])}" if runs else f"nothing is in {run.parent}/ yet"
    return (
        f"{run}: no such run; {there}. name one of them, train it with "
        f"`imtrans train {quote(recipe)}`, or name a --checkpoint"
    )
