"""A probe of metrics, on one output and its target."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from imtrans.api.hookspecs import Metric
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import keeping, repeated

SHAPE = ("higher_is_better", "update", "compute", "reset")  # what a metric has


def check_shape(subject: object, metric: Metric) -> None:
    """Raise BrokenContract unless it has what every metric has."""
    for name in SHAPE:
        if not hasattr(metric, name):
            raise BrokenContract(
                subject,
                f"it has no '{name}'",
                "a metric has `higher_is_better`, `update(output, target)`, `compute()` and "
                "`reset()`",
                "derive it from `imtrans.api.metric.ImageMetric`, which needs `rows` alone",
            )


def probe_metric(
    subject: object, metric: Metric, output: Tensor, target: Tensor, source: Tensor
) -> None:
    """Raise BrokenContract unless it gives a number of these images (N, C, H, W), the same at a
    seed, and leaves them as they are.

    What `update` raises is no fault: it may measure images of another size, or other channels.
    """
    images = {"output": output, "target": target}
    if getattr(metric, "needs_source", False):
        images["source"] = source
    with _alone(metric):
        try:
            _update(subject, metric, images)
        except BrokenContract:
            raise
        except Exception:  # a third party's code: anything may come
            return

        def measured() -> Any:
            _update(subject, metric, images)
            return metric.compute()

        found = repeated(subject, measured, what="it gave two values")
    for value in found.values() if isinstance(found, Mapping) else [found]:
        if not _is_number(value):
            raise BrokenContract(
                subject,
                f"`compute()` returned {_described(value)}",
                "a metric computes a number, or several by their names; NaN where there is none",
                "end with a mean over images, as `.mean()`",
            )


def _update(subject: object, metric: Metric, images: Mapping[str, Tensor]) -> None:
    """Give it images one by one."""
    metric.reset()
    for number in range(len(images["target"])):
        one = {name: image[number : number + 1] for name, image in images.items()}
        keeping(subject, lambda one=one: metric.update(*one.values()), one)  # type: ignore[misc]


@contextmanager
def _alone(metric: Metric) -> Iterator[None]:
    """A metric of torchmetrics does not wait for other processes; it is empty afterwards."""
    waits = getattr(metric, "sync_on_compute", None)
    if waits is not None:
        metric.sync_on_compute = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if waits is not None:
            metric.sync_on_compute = waits  # type: ignore[attr-defined]
        metric.reset()


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1
    return isinstance(value, int | float)


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
