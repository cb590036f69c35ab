"""From what was asked for to what became of it: the main path of `imtrans ray translate`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, TextIO

from imtrans.api.errors import ImtransError
from imtrans_ray.cluster import Workers, chosen_workers, imported_ray, joined
from imtrans_ray.jobs import Plan, plan
from imtrans_ray.places import Place, place_of
from imtrans_ray.quiet import hushed
from imtrans_ray.record import remaining
from imtrans_ray.translating import Outcome, finish, translate_jobs
from imtrans_ray.worker import Attempts, Setup

UNKNOWN_SCALE = (
    "note: this checkpoint does not say at which scale it was trained: images are translated pixel "
    "by pixel. --size PX brings them to the size of training, data.crop_size"
)
LOG = "ray.log"
NO_DROPOUT = "note: this network has no dropout; --dropout-seed changes nothing"


@dataclass(frozen=True)
class Order:
    """What the command was given; `options` are those of `imtrans.load`."""

    inputs: Sequence[str]
    output: str
    checkpoint: str
    best: bool
    options: Mapping[str, Any]
    precision: str | None
    field: str | None
    images_per_shard: int
    overwrite: bool
    batch_size: int | None
    workers: int | None
    cpus: float | None
    gpus: float | None
    address: str | None


@dataclass(frozen=True)
class Model:
    """A translator's file, and what results of it depend on."""

    content: bytes
    name: str
    made_from: Mapping[str, str]


def run(order: Order, note: Callable[[str], None]) -> Outcome:
    """Translate all that was asked for and is not there yet. Raises ImtransError."""
    ray = imported_ray()
    output = place_of(order.output)
    planned = plan(order.inputs, output, order.images_per_shard)
    model = _model(order, note)
    with (
        _folder(ray) as folder,
        hushed(folder / LOG) as terminal,
        joined(ray, order.address, order.workers, len(model.content), folder),
    ):
        workers = chosen_workers(
            ray.cluster_resources(), len(planned.jobs), order.workers, order.cpus, order.gpus
        )
        made_from = _made_from(order, planned, model, workers)
        names = [job.name for job in planned.jobs]
        left = set(remaining(output, names, made_from, order.overwrite))
        jobs = [job for job in planned.jobs if job.name in left]
        setup = _setup(order, output, model, workers, ray)
        with _progress(terminal, len(jobs)) as advance:
            outcome = translate_jobs(ray, jobs, setup, workers, advance) if jobs else Outcome()
        outcome.kept = len(planned.jobs) - len(jobs)
        finish(output, planned.jobs, outcome)
    return outcome


def _model(order: Order, note: Callable[[str], None]) -> Model:
    """The file that all workers load, read once: the run may go on being trained meanwhile."""
    from imtrans import load

    loaded = load(
        order.checkpoint, best=order.best, device="cpu", precision="fp32", **order.options
    )
    if loaded.scale is None and order.options["size"] == "trained":
        note(UNKNOWN_SCALE)
    if order.options["dropout_seed"] is not None and not loaded.samples:
        note(NO_DROPOUT)
    return Model(loaded.file.read_bytes(), loaded.file.name, loaded.made_from)


def _made_from(order: Order, planned: Plan, model: Model, workers: Workers) -> dict[str, str]:
    """What the results depend on, in words."""
    precision = order.precision or f"that of {workers.device}"
    fields = {"source": order.field} if order.field is not None else {}
    return {**model.made_from, "precision": precision, **planned.made_of, **fields}


def _setup(order: Order, output: Place, model: Model, workers: Workers, ray: Any) -> Setup:
    options = {**order.options, "device": workers.device, "precision": order.precision or "auto"}
    return Setup(
        output=output.address,
        weights=[ray.put(model.content)],
        file_name=model.name,
        options=options,
        attempts=ray.remote(num_cpus=0, max_restarts=-1)(Attempts).remote(),
        field=order.field,
        batch_size=order.batch_size,
        threads=max(1, int(workers.cpus)),
    )


@contextmanager
def _folder(ray: Any) -> Iterator[Path]:
    """A folder for what Ray says and writes, which is left where Ray failed."""
    folder = Path(mkdtemp(prefix="imtrans-ray-"))
    try:
        yield folder
    except ray.exceptions.RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ImtransError(
            f"Ray failed: {reason}. {folder / LOG} has what it said; the same command continues"
        ) from error
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    rmtree(folder, ignore_errors=True)


@contextmanager
def _progress(terminal: TextIO, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar over the shards, in a terminal; yields the function to call after each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(file=terminal)
    columns = (TextColumn("translating shards"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
