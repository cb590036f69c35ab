"""Some images of an evaluation, to be looked at: the first by name, the worst and the best."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from imtrans.api.pictures import Pair
from imtrans.data.pixels import images
from imtrans.evaluation.files import PICTURES
from imtrans.evaluation.seen import SeenImages, translated
from imtrans.evaluation.table import EvaluationTable
from imtrans.task import Task
from imtrans.translation.pipeline import Seeds
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator

FIRST, EXTREMES = 6, 4
LONGEST = 1024  # px: larger pictures are shown smaller


def chosen(table: EvaluationTable) -> dict[int, list[str]]:
    """The numbers of the images to show, each with why: the first by name are not selected by how
    good they are."""
    ordered = table.ordered()
    few = min(EXTREMES, len(ordered) // 2)
    reasons: dict[int, list[str]] = {}
    for why, numbers in (
        ("first", range(min(FIRST, len(table.names)))),
        ("worst", ordered[:few]),
        ("best", ordered[::-1][:few]),
    ):
        for number in numbers:
            reasons.setdefault(number, []).append(why)
    return reasons


def write_pictures(
    fresh: Path, table: EvaluationTable, seen: Iterator[SeenImages]
) -> list[dict[str, Any]]:
    """Write the chosen images into the folder that `files.replacing` gave; `seen` has them in the
    order of `chosen`. What is said of each: its name, why it was chosen, its values, and its
    files. Raises OSError when they cannot be written."""
    place = fresh / PICTURES
    return [
        {
            "name": table.names[number],
            "why": why,
            "values": {name: values[number] for name, values in table.of_each.items()},
            **_written(place, number, shown),
        }
        for (number, why), shown in zip(chosen(table).items(), seen, strict=True)
    ]


def _written(place: Path, number: int, seen: SeenImages) -> dict[str, str]:
    sides = {
        "source": seen.encoding.show_source(seen.source) if seen.has_source else None,
        "output": seen.encoding.show_target(seen.output, seen.source),
        "target": seen.encoding.show_target(seen.target, seen.source) if seen.has_target else None,
    }
    files = {}
    for side, pixels in sides.items():
        if pixels is not None:
            file = f"{number:05d}-{side}.png"
            _fitted(pixels).save(place / file)
            files[side] = f"{PICTURES}/{file}"
    return files


def _fitted(pixels: Tensor) -> Image.Image:
    picture = images.to_image(pixels)
    picture.thumbnail((LONGEST, LONGEST))
    return picture


def translated_pairs(
    task: Task, translator: Translator, pairs: Sequence[Pair], seeds: Seeds = (None,)
) -> Iterator[SeenImages]:
    """These pairs again, one by one, with their outputs."""
    together = Together(translator)
    for pair in pairs:
        sample = task.sampler.measured(pair, task.scale)
        yield translated(task.encoding, together, [sample], paired=task.has_targets, seeds=seeds)
