"""What a run writes down while it trains: losses, metrics, and samples."""

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from imtrans.api.errors import ImtransError
from imtrans.api.listener import Listener, Measured, Moment, Reading
from imtrans.host.background import Background
from imtrans.host.files import write_whole
from imtrans.runs.records import Records

# What else is in a line of losses or metrics.
NO_LOSS = {"step", "epoch", "learning_rate", "images_per_second", "waiting"}

Values = list[tuple[int, dict[str, float]]]  # by step


@dataclass(frozen=True)
class Past:
    """What a run has measured so far: the losses that were read, and the metrics."""

    losses: Values = field(default_factory=list)
    metrics: Values = field(default_factory=list)


class Journal(Listener):
    """The first listener of a training. Unlike a logger it may end one: what it hears must be on
    the disk. Raises ImtransError when that cannot be written."""

    def __init__(self, run_dir: Path, background: Background | None = None) -> None:
        self.samples = run_dir / "samples"
        self.metrics = Records(run_dir / "metrics.jsonl")
        self.validation = Records(run_dir / "validation.jsonl")
        self._background = background

    def begun(self, at: Moment) -> None:
        # Before the first step all is written again.
        self._forget_after(at.step or -1)

    def logged(self, at: Moment, reading: Reading) -> None:
        self._append(
            self.metrics,
            {"step": at.step, "epoch": at.epoch}
            | {name: round(value, 6) for name, value in reading.losses.items()}
            | {"learning_rate": reading.learning_rate}
            | {"images_per_second": round(reading.images_per_second, 2)}
            | {"waiting": round(reading.waiting, 4)},
        )

    def measured(self, at: Moment, metrics: Mapping[str, Measured]) -> None:
        """Validation pairs were measured: a line that is to follow the best on to the disk."""
        values = {name: round(measured.value, 6) for name, measured in metrics.items()}
        self._append(self.validation, {"step": at.step, "epoch": at.epoch} | values)

    def sampled(self, at: Moment, grid: Image) -> None:
        path = self._sample_path(at.step)
        if self._background:
            self._background.do(partial(self._write_sample, path, grid))
        else:
            self._write_sample(path, grid)

    def _write_sample(self, path: Path, grid: Image) -> None:
        file = io.BytesIO()
        grid.save(file, "PNG", compress_level=1)
        try:
            write_whole(path, file.getvalue())
        except OSError as error:
            raise unwritable(path, error) from error

    def past(self, step: int) -> Past:
        """What was written until a step, in the sessions before this one. Nothing where it cannot
        be read: it is shown, and no more."""
        with suppress(OSError):
            return Past([*_values(self.metrics, step)], self.measured_until(step))
        return Past()

    def measured_until(self, step: int) -> Values:
        """Likewise the metrics alone: a log of losses may be long."""
        with suppress(OSError):
            return [*_values(self.validation, step)]
        return []

    def has_sample(self, step: int) -> bool:
        return self._sample_path(step).exists()

    def _sample_path(self, step: int) -> Path:
        return self.samples / f"step_{step:08d}.png"

    def _append(self, records: Records, record: Mapping[str, float]) -> None:
        try:
            records.append(record)
        except OSError as error:
            raise unwritable(records.path, error) from error

    def _forget_after(self, step: int) -> None:
        """Drop records and samples of steps that will be taken again."""
        try:
            for records in (self.metrics, self.validation):
                records.forget_after(step)
            for sample in self.samples.glob("step_*.png"):
                number = sample.stem.removeprefix("step_")
                if number.isdecimal() and int(number) > step:
                    sample.unlink()
            for partial in self.samples.glob(".step_*.partial"):  # its writer was killed
                partial.unlink()
        except OSError as error:
            raise unwritable(self.samples.parent, error) from error


def unwritable(path: Path, error: OSError) -> ImtransError:
    return ImtransError(f"{path}: cannot write there: {(error.strerror or str(error)).lower()}")


def _values(records: Records, until: int) -> Iterator[tuple[int, dict[str, float]]]:
    for record in records.up_to(until):
        yield int(record["step"]), {k: float(v) for k, v in record.items() if _is_value(k, v)}


def _is_value(key: str, value: Any) -> bool:
    return key not in NO_LOSS and isinstance(value, int | float) and not isinstance(value, bool)
