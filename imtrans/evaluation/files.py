"""An evaluation on disk: metrics.json and metrics.csv for people, rows.safetensors to compare it.

RUN/evaluation/val/metrics.json      every value with its interval, and what was measured
                  /metrics.csv       a row for each image
                  /rows.safetensors  what the metrics found in each image
                  /pictures/         source, output and target of some images
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.evaluation.columns import MetricColumn
from imtrans.evaluation.intervals import CONFIDENCE, RESAMPLES
from imtrans.evaluation.table import EvaluationTable
from imtrans.host.files import write_whole
from imtrans.host.foreign import FAULTS
from imtrans.recipe.catalog import Catalog

METRICS, IMAGES, ROWS = "metrics.json", "metrics.csv", "rows.safetensors"
Components = Mapping[str, Mapping[str, Any]]  # a metric's options, by its name


@dataclass(frozen=True)
class Evaluated:
    """An evaluation that was read: what metrics.json says, and the rows."""

    folder: Path
    facts: Mapping[str, Any]
    table: EvaluationTable


def write(
    folder: Path,
    table: EvaluationTable,
    components: Components,
    facts: Mapping[str, Any],
    pictures: list[dict[str, Any]],
) -> None:
    """Write an evaluation. `facts` say what was measured. Raises ImtransError when it cannot be
    written."""
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
        "pictures": pictures,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The document is written last: where it is, the others are.
        write_whole(folder / IMAGES, _csv(table))
        write_whole(folder / ROWS, _rows(table))
        text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
        write_whole(folder / METRICS, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImtransError(f"{folder}: the evaluation cannot be written: {reason}") from error


def _csv(table: EvaluationTable) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["name", *table.of_each])
    columns = [[_cell(value) for value in values] for values in table.of_each.values()]
    writer.writerows(zip(table.names, *columns, strict=True))
    return text.getvalue().encode("utf-8", "surrogateescape")


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _rows(table: EvaluationTable) -> bytes:
    # Not those of metrics of sets: features are many, and no interval comes of them.
    kept = {name: column for name, column in table.columns.items() if column.is_mean}
    tensors = {f"rows/{name}": column.rows.contiguous() for name, column in kept.items()}
    tensors |= {f"compared/{name}": column.compared_with for name, column in kept.items()}
    return save(tensors, {"names": json.dumps(list(table.names))})


def read(folder: Path, catalog: Catalog) -> Evaluated:
    """The evaluation in a folder. Metrics of plugins that are not installed are left out. Raises
    ImtransError when there is none, or it is damaged."""
    if not (folder / METRICS).is_file():
        raise ImtransError(f"{folder}: no evaluation; `imtrans evaluate` makes one")
    try:
        facts = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        components, _ = dict(facts["components"]), dict(facts["made_with"])
        with safe_open(folder / ROWS, framework="pt") as file:
            images = json.loads((file.metadata() or {})["names"])
            found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        columns = {
            name: MetricColumn(
                name,
                catalog.metrics[name].build(**options),
                found[f"rows/{name}"],
                found[f"compared/{name}"],
            )
            for name, options in components.items()
            if name in catalog.metrics and f"rows/{name}" in found
        }
    except (ImtransError, OSError, SafetensorError, *FAULTS) as error:
        reason = " ".join(str(error).split())
        raise ImtransError(
            f"{folder}: the evaluation is damaged ({reason}). evaluate again"
        ) from error
    return Evaluated(folder, facts, EvaluationTable(images, columns))
