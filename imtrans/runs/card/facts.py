"""What is known of a run or a checkpoint, gathered for its card. Nothing here writes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs.checkpoint import translator_file
from imtrans.runs.header import Header, read_header
from imtrans.runs.journal import Journal
from imtrans.runs.listing import best_checkpoint, find_run, is_run, newest_whole
from imtrans.runs.measurements import Series, directions, measurements
from imtrans.task import Task


@dataclass(frozen=True)
class Facts:
    """What a card says. Where something is not known it is None, or empty."""

    name: str
    checkpoint: Path  # the directory of the files
    header: Header  # of the default translator
    recipe: Recipe
    pairs: int | None = None  # trained on
    about: bool = False  # `pairs` is the most that there can be
    validation_pairs: int | None = None  # measured
    metrics: Mapping[str, Series] = field(default_factory=dict)
    measured_step: int = 0  # of the values of this very checkpoint, or the last before it
    measured: Mapping[str, float] = field(default_factory=dict)


def facts_of(named: str | Path, *, best: bool = False) -> Facts:
    """All that is known of a run (its folder or its name), or of a checkpoint directory. With
    `best`, of the run's best generator. Raises ImtransError when there is none, or it is
    damaged."""
    place = find_run(named) or Path(named)
    checkpoint = translator_file(best_checkpoint(place) if best else place).parent.resolve()
    header = read_header(translator_file(checkpoint))
    recipe = header.recipe()
    run = next((one for one in (place.resolve(), *checkpoint.parents[1:2]) if is_run(one)), None)
    step, values = _measured(run, header.step) if run else (0, {})
    pairs, about, validation = _counts(run, recipe)
    return Facts(
        (run or checkpoint).name,
        checkpoint,
        header,
        recipe,
        pairs,
        about,
        validation,
        measurements(run, directions()) if run else {},
        step,
        values,
    )


def _measured(run: Path, step: int) -> tuple[int, Mapping[str, float]]:
    """The last metrics of a run until a step. Step 0, of untrained networks, does not count."""
    found = [row for row in Journal(run).past(step).metrics if row[0] > 0]
    return found[-1] if found else (0, {})


def _counts(run: Path | None, recipe: Recipe) -> tuple[int | None, bool, int | None]:
    """Pairs trained on, whether there may be fewer, and pairs measured.

    They are counted where the data is, if that is still what was trained on; otherwise the run
    knows how many batches were an epoch.
    """
    newest = newest_whole(run) if run else None
    batches = newest.number("batches_per_epoch") if newest else None
    size = recipe.train.batch_size
    with suppress(Exception):  # of plugins that are not here, or of data that is gone
        task = Task(recipe, catalog())
        pairs, validation = len(task.pairs), len(task.validation_pairs)
        if batches in (None, -(-pairs // size)):
            return pairs, False, min(validation, recipe.validation.pairs)
    return (batches * size if batches else None), size > 1, None
