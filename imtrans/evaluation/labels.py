"""Label maps among what is measured: their colours, and a scorer for photographs made from them."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair
from imtrans.api.scorer import Scorer
from imtrans.data.pairs import spread
from imtrans.data.palette import dominant_colours
from imtrans.recipe.schema import Recipe
from imtrans.task import Task

SCORERS = Path("scorers")  # below the working folder
LOOKED_AT = 40  # pairs
Palette = list[list[int]]


def palette_of_targets(task: Task, pairs: Sequence[Pair]) -> Palette | None:
    """The colours of targets that look like label maps; None where they do not."""
    return _palette(task, pairs, 1)


def palette_of_sources(task: Task, pairs: Sequence[Pair]) -> Palette | None:
    """Likewise of sources."""
    if task.recipe.data.source.classes:
        return [list(colour) for colour in task.recipe.data.source.classes]
    return _palette(task, pairs, 0)


def _palette(task: Task, pairs: Sequence[Pair], side: int) -> Palette | None:
    data = task.recipe.data
    table = (data.source, data.target)[side]
    if data.derive or table.channels != 3 or table.dtype != "uint8":
        return None
    views = []
    for index in spread(len(pairs), LOOKED_AT):
        try:
            views.append(task.sampler.reader.stored(pairs[index])[side])
        except ImtransError:
            continue  # who measures it says so
    return [list(colour) for colour in dominant_colours(views)] or None


def labels_note(colours: int) -> str:
    return (
        f"the targets look like label maps of {colours} colours, by which classes are measured; "
        "--set mean_iou.palette=[[R,G,B],...] names others"
    )


def scorer_of(recipe: Recipe) -> Path | None:
    """The scorer in scorers/ that was trained on the data of a recipe, if there is one."""
    for path in sorted(SCORERS.glob("*.safetensors")):
        with suppress(ImtransError):
            if Scorer.facts_of(path).get("data") == data_of(recipe):
                return path
    return None


def scorer_note(scorer: Path, recipe: Recipe) -> str:
    """What is to be said of a scorer. Raises ImtransError where it is none."""
    note = f"outputs are labelled again by {scorer}"
    if Scorer.facts_of(scorer).get("data") == data_of(recipe):
        return note
    return f"{note}, which was trained on other data: its score means little for other labels"


def data_of(recipe: Recipe) -> str:
    """Equal for recipes with the same pictures, whatever they are resized to."""
    data = recipe.data
    return json.dumps([data.root, data.layout.model_dump(mode="json"), data.train, data.direction])
