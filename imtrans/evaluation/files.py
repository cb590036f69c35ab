"""An evaluation on disk: metrics.json and metrics.csv for people, rows.safetensors to compare it.

RUN/evaluation/val/metrics.json      every value with its interval, and what was measured
                  /metrics.csv       a row for each image
                  /rows.safetensors  what the metrics found in each image
                  /pictures/         source, output and target of some images; samples.png shows
                                     several outputs for each of a few, where these were drawn

A new evaluation is written beside the old one and replaces it when it is complete. metrics.json has
the sum of rows.safetensors, so that a mixture of two evaluations is not taken for one.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import imtrans
from imtrans.api.errors import ImtransError, quoted
from imtrans.evaluation.columns import MetricColumn
from imtrans.evaluation.diversity import metric_of
from imtrans.evaluation.intervals import CONFIDENCE, RESAMPLES
from imtrans.evaluation.table import EvaluationTable
from imtrans.host.files import is_ours, make_folders, mark
from imtrans.host.foreign import FAULTS, reason
from imtrans.host.locks import locked
from imtrans.recipe.catalog import Catalog
from imtrans.runs.checksums import sum_of

METRICS, IMAGES, ROWS = "metrics.json", "metrics.csv", "rows.safetensors"
PICTURES, LOCK = "pictures", ".lock"
Components = Mapping[str, Mapping[str, Any]]  # a metric's options, by its name


@dataclass(frozen=True)
class Evaluated:
    """An evaluation that was read: what metrics.json says, and the rows."""

    folder: Path
    facts: Mapping[str, Any]
    table: EvaluationTable
    left_out: Sequence[str] = ()  # a line each: metrics that cannot be built here, and why


def check_place(folder: Path) -> None:
    """Raise ImtransError where an evaluation would replace what someone else wrote."""
    if folder.exists() and not folder.is_dir():
        raise ImtransError(f"{folder}: is a file; name another --output folder")
    there = [name for name in (METRICS, IMAGES, ROWS, PICTURES) if (folder / name).exists()]
    if there and not is_ours(folder / PICTURES):
        raise ImtransError(
            f"{folder}: {quoted(there)} there were not written by `imtrans evaluate`; name another "
            "--output folder"
        )


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A hidden folder to write an evaluation into. At the end of the block the evaluation replaces
    the one in `folder`, which is unchanged where anything fails before. Raises ImtransError when it
    cannot be written."""
    try:
        make_folders(folder)
        with TemporaryDirectory(prefix=".new-", dir=folder) as hidden:
            fresh = Path(hidden)
            mark(fresh / PICTURES)  # these are no pictures to train on or to measure
            yield fresh
            with locked(folder / LOCK, wait=True):  # another may evaluate the same
                _replace(folder, fresh)
                (folder / LOCK).unlink(missing_ok=True)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ImtransError(f"{folder}: the evaluation cannot be written: {why}") from error


def _replace(folder: Path, fresh: Path) -> None:
    old = folder / PICTURES
    if old.exists():
        old.rename(fresh / "old")
    for name in (PICTURES, IMAGES, ROWS, METRICS):  # the last one makes it an evaluation
        (fresh / name).replace(folder / name)


def write(
    fresh: Path,
    table: EvaluationTable,
    components: Components,
    facts: Mapping[str, Any],
    pictures: list[dict[str, Any]],
) -> None:
    """Write an evaluation into the folder that `replacing` gave. `facts` say what was measured.
    Raises OSError when it cannot be written."""
    rows = _rows(table)
    document = {
        "imtrans": imtrans.__version__,
        "torch": torch.__version__,
        **facts,
        "n": len(table.names),
        "skipped": [{"name": name, "why": why} for name, why in table.skipped.items()],
        "resamples": RESAMPLES,
        "confidence": CONFIDENCE,
        "metrics": {name: asdict(one) for name, one in table.estimates.items()},
        "main": table.main,
        "components": components,
        "made_with": {
            name: getattr(column.metric, "made_with", "") for name, column in table.columns.items()
        },
        "rows": hashlib.sha256(rows).hexdigest(),
        "pictures": pictures,
    }
    (fresh / IMAGES).write_bytes(_csv(table))
    (fresh / ROWS).write_bytes(rows)
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    (fresh / METRICS).write_bytes(_utf8(text))


def _utf8(text: str) -> bytes:
    """A name that is no UTF-8 has its bytes written as `\\udce9`, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace")


def _csv(table: EvaluationTable) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["name", *table.of_each])
    columns = [[_cell(value) for value in values] for values in table.of_each.values()]
    writer.writerows(zip(table.names, *columns, strict=True))
    return _utf8(text.getvalue())


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _rows(table: EvaluationTable) -> bytes:
    # Not those of metrics of sets: features are many, and no interval comes of them.
    kept = {name: column for name, column in table.columns.items() if column.is_mean}
    tensors = {f"rows/{name}": column.rows.contiguous() for name, column in kept.items()}
    tensors |= {f"compared/{name}": column.compared_with for name, column in kept.items()}
    return save(tensors, {"names": json.dumps(list(table.names))})


def read(folder: Path, catalog: Catalog) -> Evaluated:
    """The evaluation in a folder. Metrics of plugins that are not installed are left out, and those
    whose own files are gone. Raises ImtransError when there is none, or it is damaged."""
    if not (folder / METRICS).is_file():
        raise ImtransError(f"{folder}: no evaluation; `imtrans evaluate` makes one")
    try:
        facts = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        for key in ("rows", "made_with", "components"):
            if key not in facts:
                raise ValueError(f"{METRICS} has no '{key}'")
        if facts["rows"] != sum_of(folder / ROWS):
            raise ValueError(f"{METRICS} and {ROWS} are not of one evaluation")
        if not isinstance(facts["made_with"], Mapping):
            raise TypeError("made_with is no table")
        names, found = _named_rows(folder / ROWS)
        columns: dict[str, MetricColumn] = {}
        left_out = []
        for name, options in facts["components"].items():
            if f"rows/{name}" not in found:
                continue
            try:
                metric = metric_of(name, options, facts, catalog)
            except ImtransError as error:
                left_out.append(f"{name} left out: {error}")
                continue
            if metric is not None:
                rows, sums = found[f"rows/{name}"], found[f"compared/{name}"]
                columns[name] = MetricColumn(name, metric, rows, sums)
                columns[name].check(len(names))
    except (ImtransError, OSError, SafetensorError, *FAULTS) as error:
        raise ImtransError(
            f"{folder}: the evaluation is damaged ({reason(error)}). evaluate again"
        ) from error
    return Evaluated(folder, facts, EvaluationTable(names, columns), left_out)


def _named_rows(path: Path) -> tuple[list[str], dict[str, Tensor]]:
    """The names of the images, and the tensors. Raises TypeError or ValueError for other names."""
    with safe_open(path, framework="pt") as file:
        names = json.loads((file.metadata() or {})["names"])
        found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("the names of the images are no texts")
    if len(set(names)) < len(names):
        raise ValueError("an image is in it twice")
    return names, found
