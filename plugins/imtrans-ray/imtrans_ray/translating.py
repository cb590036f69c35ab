"""All shards through the workers of a Ray cluster: none lost, none twice, whatever fails."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans_ray.cluster import Workers
from imtrans_ray.jobs import Job
from imtrans_ray.places import Place
from imtrans_ray.record import FAILED, all_failed, write_failed
from imtrans_ray.worker import Report, Setup, Worker

DEATHS = 8  # of workers in a row, before they were there


@dataclass
class Outcome:
    """What became of all shards."""

    images: int = 0
    shards: int = 0
    kept: int = 0  # shards that were there already
    failed: list[dict[str, str]] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)  # by kind, the first
    remarked: Counter[str] = field(default_factory=Counter)  # by kind, of how many images

    def lines(self) -> Iterator[str]:
        """What went wrong, and what was remarked."""
        for one in self.failed:
            yield f"skipped: {one['error']}"
        for kind, first in self.remarks.items():
            others = self.remarked[kind] - 1
            more = f"; likewise {others} more" if others else ""
            remedy = ". --size chooses another size" if kind == "size" else ""
            yield f"note: {first}{more}{remedy}"

    def summary(self, output: str, seconds: float) -> str:
        shards = _counted(self.shards, "shard")
        parts = [f"{_counted(self.images, 'image')} in {shards} in {output}"]
        if self.kept:
            parts.append(f"{_counted(self.kept, 'shard')} there already")
        if self.failed:
            parts.append(f"{len(self.failed)} skipped, named in {FAILED}.json")
        rate = f" ({self.images / max(seconds, 1e-9):.1f} images/s)" if self.images else ""
        return ", ".join(parts) + rate


def _counted(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def translate_jobs(
    ray: Any, jobs: Sequence[Job], setup: Setup, workers: Workers, on_done: Callable[[], None]
) -> Outcome:
    """Have each job done by one of the workers. Raises ImtransError when a shard cannot be written:
    the others could not be either."""
    outcome, left = Outcome(), {job.name: job for job in jobs}
    for report in _reports(ray, jobs, setup, workers):
        if report.fatal:
            raise ImtransError(report.fatal)
        job = left.pop(report.shard, None)
        if job is None:
            continue  # it was done twice, as one of the workers died; the shard is there once
        on_done()
        _count(outcome, report, job)
    given_up = "Ray gave it up; the same command tries it again"
    outcome.failed += [_failed(job, f"{job.name}: {given_up}") for job in left.values()]
    return outcome


def _count(outcome: Outcome, report: Report, job: Job) -> None:
    if report.error:
        outcome.failed.append(_failed(job, report.error))
        return
    outcome.shards += 1
    outcome.images += report.done
    outcome.remarked.update(report.remarked)
    for kind, first in report.remarks.items():
        outcome.remarks[kind] = min(first, outcome.remarks.get(kind, first))


def _failed(job: Job, error: str) -> dict[str, str]:
    return {"shard": job.name, "error": error}


def _reports(ray: Any, jobs: Sequence[Job], setup: Setup, workers: Workers) -> Iterator[Report]:
    """The report of each job, as they are done. What a worker did not finish because it died, Ray
    Data gives to another: actors are restarted, and their calls tried again, without end."""
    _configure(ray.data.DataContext.get_current())
    rows = [{"job": json.dumps(asdict(job))} for job in jobs]
    # A block for each: a block is what is tried again when a worker dies.
    data = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Worker,
        batch_size=1,
        # One at a time: none waits for a slow worker while another is idle.
        compute=ray.data.ActorPoolStrategy(size=workers.count, max_tasks_in_flight_per_actor=1),
        fn_constructor_args=[setup],
        num_cpus=workers.cpus,
        num_gpus=workers.gpus,
    )
    for batch in data.iter_batches(batch_size=None, prefetch_batches=0):
        for text in batch["report"]:
            yield Report.loads(str(text))


def _configure(context: Any) -> None:
    """Ray Data's options, those that this version has."""
    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "max_errored_blocks": -1,  # the rest is done, and what is missing is named
        "execution_no_progress_timeout_s": -1,  # a shard may take hours
        "max_consecutive_actor_init_deaths": DEATHS,
    }
    for name, value in wanted.items():
        if hasattr(context, name):
            setattr(context, name, value)


def finish(output: Place, jobs: Sequence[Job], outcome: Outcome) -> None:
    """Write which images and shards have no result, and remove what killed workers have left."""
    lost = {one["shard"] for one in outcome.failed}
    made = [job.name for job in jobs if job.name not in lost]
    outcome.failed = sorted(
        all_failed(output, made) + outcome.failed, key=lambda one: (one["shard"], one["error"])
    )
    write_failed(output, outcome.failed)
    output.remove_partials()
