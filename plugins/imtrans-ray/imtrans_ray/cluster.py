"""A Ray cluster: one of this machine for as long as it is needed, or one that is joined."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans_ray.quiet import settle

STORE = 2**28  # bytes of shared memory, beside the weights
LONGEST = 40  # letters of a folder in which Ray can make its sockets
CPUS = 4  # that a worker without a GPU makes use of


@dataclass(frozen=True)
class Workers:
    """How many there are, and what each has."""

    count: int
    cpus: float
    gpus: float

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"


def imported_ray() -> Any:
    """The library, with Ray Data. Raises ImtransError."""
    settle()
    try:
        import ray
        import ray.data
    except Exception as error:  # compiled libraries fail in many ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ImtransError(
            f"'ray' cannot be imported: pip install imtrans-ray, which brings it ({reason})"
        ) from error
    return ray


@contextmanager
def joined(
    ray: Any, address: str | None, workers: int | None, store: int, folder: Path
) -> Iterator[None]:
    """A cluster at an address, or one of this machine with room for the `workers` and `store`
    bytes of shared memory, whose files are in `folder`. One that the process has joined already is
    used as it is."""
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": address}
    if address is None:
        cores = _cores()
        options = {
            "num_cpus": max(cores, workers or 1),
            "include_dashboard": False,
            "object_store_memory": STORE + store,
            "address": "local",  # whatever RAY_ADDRESS says
        }
        if len(str(folder)) <= LONGEST:
            options["_temp_dir"] = str(folder)
    try:
        ray.init(log_to_driver=False, logging_level="error", **options)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImtransError(f"Ray cannot be started or joined: {reason}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def chosen_workers(
    resources: dict[str, float],
    jobs: int,
    count: int | None,
    cpus: float | None,
    gpus: float | None,
) -> Workers:
    """How many workers translate, and what each gets: by default a GPU each where the cluster has
    some, else as many as have four cores each. Never more than there are jobs."""
    all_cpus, all_gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
    gpus = (1.0 if all_gpus else 0.0) if gpus is None else gpus
    if gpus and not all_gpus:
        raise ImtransError("--gpus-per-worker: Ray sees no GPU; leave it out, or give 0")
    if count is None:
        count = int(all_gpus // gpus) if gpus else int(all_cpus // (cpus or CPUS))
    count = max(1, min(count, jobs))
    return Workers(count, cpus or max(1.0, float(all_cpus // count)), gpus)
