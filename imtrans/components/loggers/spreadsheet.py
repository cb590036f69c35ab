"""Losses and metrics as tables that every spreadsheet opens."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.listener import Listener, Measured, Moment, Reading


@hookimpl
def register_loggers(register: Register) -> None:
    register("csv", CSV)


class CSV(Listener):
    """losses.csv and metrics.csv in the run directory, a row for each reading.

    A run that continues goes on in the same files; rows of steps that are taken again are dropped.
    """

    def __init__(self, run_dir: Path, recipe: Mapping[str, Any]) -> None:
        self.losses, self.metrics = run_dir / "losses.csv", run_dir / "metrics.csv"

    def begun(self, at: Moment) -> None:
        for path in (self.losses, self.metrics):
            if path.exists():
                _keep_until(path, at.step or -1)  # step 0 is taken again

    def logged(self, at: Moment, reading: Reading) -> None:
        speeds = {"images_per_second": reading.images_per_second, "waiting": reading.waiting}
        row = {**reading.losses, "learning_rate": reading.learning_rate, **speeds}
        _append(self.losses, {"step": at.step, "epoch": at.epoch, **row})

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        values = {name: measured.value for name, measured in metrics.items()}
        _append(self.metrics, {"step": at.step, "epoch": at.epoch, **values})


def _append(path: Path, row: Mapping[str, float]) -> None:
    """Add a row, and columns that the table does not have yet."""
    names = _columns(path)
    if new := [name for name in row if name not in names]:
        names += new
        _write(path, names, _rows(path))
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, names).writerow({key: f"{value:.6g}" for key, value in row.items()})


def _keep_until(path: Path, step: int) -> None:
    _write(path, _columns(path), (row for row in _rows(path) if int(row["step"]) <= step))


def _columns(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, without one that was cut off."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        whole = (row for row in csv.DictReader(file) if None not in (*row, *row.values()))
        return [row for row in whole if row["step"].isdecimal()]


def _write(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
