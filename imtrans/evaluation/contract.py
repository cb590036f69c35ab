"""What metrics of third parties have to give; whatever else one gives is one line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory, quoted
from imtrans.api.hookspecs import Metric


def broken(name: str, how: str) -> ImtransError:
    return ImtransError(f"the metric '{name}' breaks its contract: {how}")


@contextmanager
def naming_faults(name: str) -> Iterator[None]:
    """Whatever a metric raises is an ImtransError that names it; a lack of memory stays what it
    is."""
    try:
        yield
    except ImtransError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())
        raise ImtransError(
            f"the metric '{name}' failed: {type(error).__name__}: {reason}"
        ) from error


def check_names(name: str, found: Iterable[str]) -> None:
    """Raise ImtransError where none of several values has the metric's own name."""
    if name not in found:
        raise broken(name, f"of its values {quoted(found)} none is named '{name}'")


def check_direction(name: str, metric: Metric) -> None:
    """Raise ImtransError where nobody knows which of two values is better."""
    if getattr(metric, "higher_is_better", None) is None:
        raise broken(name, "its `higher_is_better` is neither true nor false")


def values_of(name: str, metric: Metric) -> dict[str, float]:
    """What a metric has found, by the names of the values. Raises ImtransError where none of
    several values has the metric's own name, or where one is no number."""
    found = metric.compute()
    several = found if isinstance(found, Mapping) else {name: found}
    check_names(name, several)
    try:
        return {key: float(value) for key, value in several.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise broken(name, f"it gives {_kind(several)}, not a number") from error


def _kind(values: Mapping[str, object]) -> str:
    kinds = (
        f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        for value in values.values()
    )
    return ", ".join(kinds)[:80]


def checked_rows(name: str, rows: Tensor, images: Sequence[int], width: int | None) -> Tensor:
    """Rows (n, K) of n images as float32 on the CPU. Raises ImtransError where they are others."""
    if len(rows) != len(images):
        raise broken(name, f"it gives {len(rows)} rows for {len(images)} images")
    if width is not None and rows.shape[1] != width:
        raise broken(name, f"its rows have {width} numbers, and then {rows.shape[1]}")
    return rows.detach().float().cpu()
