"""What runs in each of Ray's workers: a translator, loaded once, and shards one after the other."""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans_ray.jobs import Job
from imtrans_ray.places import CannotWrite, Place
from imtrans_ray.record import note_failed
from imtrans_ray.shards import Image, NewShard, images_in, images_of, new_shard

ATTEMPTS = 4  # of a shard whose worker dies


@dataclass(frozen=True)
class Setup:
    """What all workers have in common. `weights`: the file of the translator, as a reference to its
    bytes, so that every worker has the same, wherever it is and whenever it starts."""

    output: str
    weights: Any  # [ObjectRef]: in a list, so that Ray hands on the reference
    file_name: str
    options: dict[str, Any]  # of imtrans.load
    attempts: Any  # ActorHandle
    field: str | None = None
    batch_size: int | None = None
    threads: int | None = None


class Attempts:
    """An actor that knows how often each shard was begun: Ray begins it again, without end, where
    a worker died."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, shard: str) -> int:
        self._begun[shard] += 1
        return self._begun[shard]


@dataclass
class Report:
    """What became of a shard. `error`: why there is none; `fatal`: why no other can be either."""

    shard: str
    done: int = 0
    broken: list[dict[str, str]] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)  # by kind, the first
    remarked: dict[str, int] = field(default_factory=dict)  # by kind, of how many images
    error: str | None = None
    fatal: str | None = None

    @classmethod
    def loads(cls, text: str) -> "Report":
        return cls(**json.loads(text))

    def dumps(self) -> str:
        return json.dumps(asdict(self))


class Worker:
    """A function of batches of one job, for `map_batches`. Nothing happens in the constructor: Ray
    tries a call again when the process died, but not a constructor."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._translator: Any = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"report": [self._report(str(text)).dumps() for text in batch["job"]]}

    def _report(self, text: str) -> Report:
        job = Job(**json.loads(text))
        report = Report(job.name)
        if (begun := _begin(self._setup, job)) > ATTEMPTS:
            died = f"its worker died {begun - 1} times, usually because memory ran out"
            report.error = f"{job.name}: {died}"
            return report
        try:
            self._translator = self._translator or _loaded(self._setup)
            self._translate(job, report)
        except CannotWrite as error:
            report.fatal = str(error)
        except ImtransError as error:
            report.error = str(error)
        except OSError as error:
            report.error = f"{job.address}: {(error.strerror or str(error)).lower()}"
        except Exception as error:  # of a plugin's network, or of ours: it stops no other shard
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            report.error = f"{job.address}: {reason}"
        return report

    def _translate(self, job: Job, report: Report) -> None:
        from imtrans import result_files

        output, setup = Place(self._setup.output), self._setup
        given: deque[Image] = deque()
        with ExitStack() as stack:
            images = _noted(_images(job, setup.field, stack), given)
            shard = stack.enter_context(new_shard(output / job.name))
            for made in result_files(
                self._translator,
                (image.picture for image in images),
                batch_size=setup.batch_size,
                workers=setup.threads,
            ):
                _keep(made, given.popleft(), shard, report)
            # Before the shard is there: once it is, nobody looks at its images again.
            note_failed(output, job.name, report.broken)


def _begin(setup: Setup, job: Job) -> int:
    """How often the job was begun, this time included."""
    import ray

    try:
        return int(ray.get(setup.attempts.begin.remote(job.name), timeout=60))
    except ray.exceptions.RayError:  # who counts is gone, or out of reach: then nobody counts
        return 1


def _loaded(setup: Setup) -> Any:
    """The translator, on the device that this worker has."""
    import ray

    from imtrans import load

    with TemporaryDirectory(prefix="imtrans-ray-") as folder:
        file = Path(folder, setup.file_name)
        file.write_bytes(ray.get(setup.weights[0]))
        return load(file, **setup.options)


def _images(job: Job, field: str | None, stack: ExitStack) -> Iterator[Image]:
    place = Place(job.address)
    if job.images:
        return images_in(place, job.images)
    return images_of(stack.enter_context(place.reading()), place, field)


def _noted(images: Iterable[Image], given: "deque[Image]") -> Iterator[Image]:
    """The images, each put at the end of `given` when it is read: results come in their order."""
    for image in images:
        given.append(image)
        yield image


def _keep(made: Any, image: Image, shard: NewShard, report: Report) -> None:
    """Put a result into the shard, or what went wrong into the report."""
    if made.content is None:
        name = image.picture.path
        report.broken.append({"shard": report.shard, "image": name, "error": str(made.error)})
        return
    shard.add(image, made.suffix, made.content)
    report.done += 1
    for remark in made.remarks:
        report.remarked[remark.kind] = report.remarked.get(remark.kind, 0) + 1
        report.remarks.setdefault(remark.kind, f"{image.picture}: {remark.text}")
