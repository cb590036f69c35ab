"""The quickstart: draw pairs, train on them, translate plans that were not trained on."""

import json
import sys
from functools import partial
from pathlib import Path

from PIL.Image import Resampling
from rich.console import Console

import imtrans
from imtrans.api.errors import ImtransError, some
from imtrans.cli.report import report_at_the_end
from imtrans.data.drawn.pairs import PlanAndPhoto, draw_pairs, write_pairs
from imtrans.data.pixels import images
from imtrans.host.files import is_ours, mark
from imtrans.host.terminal import say
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.loop import Outcome

TRAINING_PAIRS, VALIDATION_PAIRS = 400, 16
SHOWN, ENLARGED = 3, 2
RESULT = "result.png"


def quickstart(folder: Path, catalog: Catalog, console: Console) -> Outcome:
    """Fill `folder` with pairs/, run/, plans/, buildings/ and result.png; continues after Ctrl-C.

    Raises ImtransError if the folder holds other files.
    """

    report = partial(say, console)
    validation = draw(folder, console)
    report("training the recipe 'quickstart' on them")
    recipe = recipes.read("quickstart", [f"data.root={json.dumps(str(folder / 'pairs'))}"], catalog)
    task, command = Task(recipe, catalog), ["imtrans", *sys.argv[1:]]
    outcome = fit(task, folder / "run", console=console, command=command)
    if outcome.interrupted_by:
        return outcome

    report(f"translating {VALIDATION_PAIRS} plans that were not trained on")
    buildings = _new(folder / "buildings")
    translator = imtrans.load(folder / "run")
    rows = []
    for number, (plan, drawn) in enumerate(validation):
        building = translator(plan)
        building.save(buildings / f"{number:04d}.png")
        rows.append([images.to_tensor(picture) for picture in (plan, building, drawn)])
    picture = images.to_image(images.grid(rows[:SHOWN]))
    picture.resize([side * ENLARGED for side in picture.size], Resampling.NEAREST).save(
        folder / RESULT
    )
    report_at_the_end(folder / "run", console, task)
    report(f"open {folder / RESULT}: plan | output of the network | building as drawn")
    return outcome


def draw(folder: Path, console: Console) -> list[PlanAndPhoto]:
    """Fill `folder` with pairs/ and with plans/, those of validation, whose pairs are returned.

    Raises ImtransError if the folder holds other files.
    """
    _claim(folder)
    say(console, f"drawing {TRAINING_PAIRS} pairs of plan and building in {folder / 'pairs'}")
    validation = list(draw_pairs(VALIDATION_PAIRS, seed=2))
    write_pairs(folder / "pairs" / "train", draw_pairs(TRAINING_PAIRS, seed=1))
    write_pairs(folder / "pairs" / "val", validation)
    plans = _new(folder / "plans")
    for number, (plan, _) in enumerate(validation):
        plan.save(plans / f"{number:04d}.png")
    return validation


def _claim(folder: Path) -> None:
    """Create the folder, or accept one that imtrans made; refuse to write among other files."""
    if folder.exists() and not folder.is_dir():
        raise ImtransError(f"{folder}: is a file; name a new folder")
    there = sorted(path.name for path in folder.glob("*"))
    if there and not is_ours(folder):
        raise ImtransError(f"{folder}: holds other files ({some(there)}); name a new folder")
    mark(folder)


def _new(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
