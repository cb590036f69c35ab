"""Losses and metrics as tables that every spreadsheet opens."""

import csv
from collections.abc import Mapping
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
                _keep_until(path, at.step or -1)  # step 0 is taken anew

    def logged(self, at: Moment, reading: Reading) -> None:
        speeds = {"images_per_second": reading.images_per_second, "waiting": reading.waiting}
        row = {**reading.losses, "learning_rate": reading.learning_rate, **speeds}
        _append(self.losses, {"step": at.step, "epoch": at.epoch, **row})

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        values = {name: measured.value for name, measured in metrics.items()}
        _append(self.metrics, {"step": at.step, "epoch": at.epoch, **values})


def _append(path: Path, row: Mapping[str, float]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def _keep_until(path: Path, step: int) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names, rows = reader.fieldnames or [], list(reader)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(row for row in rows if int(row["step"] or 0) <= step)
