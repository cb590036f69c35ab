"""The run or checkpoint that a command line names, to translate with."""

from pathlib import Path
from shlex import quote

from imtrans.api.errors import ImtransError, quoted
from imtrans.recipe.naming import run_name, usual_run


def trained(recipe: str | None, checkpoint: Path | None, best: bool) -> tuple[str, Path]:
    """What results are named after, and the run, checkpoint or file with the translator. Raises
    ImtransError when none is named, or none is there."""
    from imtrans.runs.listing import best_checkpoint, find_run

    if checkpoint:
        whole = checkpoint.resolve()
        named_after = whole.parent if whole.is_file() else whole
        name = run_name(recipe) if recipe else named_after.name
        return name, best_checkpoint(checkpoint) if best else checkpoint
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
