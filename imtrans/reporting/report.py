"""A run as one page: RUN/report.html."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shlex import quote

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.checking.data.run_checks import pairs_to_read
from imtrans.host.files import write_whole
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.reporting.data_summary import OnPair
from imtrans.reporting.gathering import Material, gather
from imtrans.reporting.limit import within_limit
from imtrans.reporting.page import rendered
from imtrans.reporting.pictures import Encoded, Figure
from imtrans.runs.listing import is_run
from imtrans.task import Task

NAME = "report.html"


@dataclass(frozen=True)
class WrittenReport:
    """A page that was written."""

    path: Path
    bytes: int


def write_report(
    run: Path,
    output: Path | None = None,
    *,
    task: Task | None = None,
    check_data: bool = False,
    on_pair: OnPair = lambda: None,
) -> WrittenReport:
    """Write the page about a run, to RUN/report.html or to `output`.

    The `task` that has just trained saves looking for its data again; `check_data` opens every
    picture of it, and calls `on_pair` after each. Raises ImtransError when there is no run, and
    OSError when the file cannot be written.
    """
    if not is_run(run):
        raise _no_run(run)
    material = gather(run, task=task, check_data=check_data, on_pair=on_pair)
    page = page_of(material)
    path = output or run / NAME
    write_whole(path, page)
    return WrittenReport(path, len(page))


def _no_run(named: Path) -> ImtransError:
    run = named.parent.parent
    if named.parent.name == "checkpoints" and is_run(run):
        return ImtransError(f"{named}: is a checkpoint of the run {run}; name the run")
    return ImtransError(f"{named}: not a run; name the folder that `imtrans train` made")


def pairs_to_open(run: Path) -> int:
    """How many pairs are opened to check a run's data; 0 where it is not there."""
    try:
        task = Task(recipes.read(run / "recipe.toml", old=True), catalog())
        pairs = task.pairs, task.validation_pairs
        return pairs_to_read(*pairs, task.recipe.data, paired=task.paired)
    except (ImtransError, OSError):
        return 0  # the page says why


def page_of(material: Material) -> bytes:
    """The page, its pictures made as small as it takes to stay below the limit."""
    return within_limit(partial(_rendered, material), _pictures(material), _film(material))


def _rendered(material: Material, encoded: Encoded) -> bytes:
    return rendered(
        "report.html.jinja",
        m=material,
        run=material.run,
        recipe=material.run.recipe,
        encoded=encoded,
        quoted_run=quote(str(material.run.path)),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=imtrans.__version__,
    )


def _pictures(material: Material) -> list[Figure]:
    """Each once, also those that are among the best and the first."""
    sides = (
        figure
        for group in material.groups
        for row in group.triptychs
        for figure in row.sides.values()
    )
    found = list(dict.fromkeys(sides))
    whole = material.samples.whole
    sheets = [one.sheet for one in material.evaluations if one.sheet]
    return [*found, *sheets, whole] if whole else [*found, *sheets]


def _film(material: Material) -> list[Figure]:
    film = material.samples.film
    if film is None:
        return []
    still = [film.sources, film.targets] if film.targets else [film.sources]
    return [*still, *(frame.figure for frame in film.frames)]
