"""What shares of an evaluation have measured, put together by the share that ends last.

FOLDER/.parts/3-of-8-1f2e3d.safetensors   what share 3 found in its images
FOLDER/.parts.lock                        locked by who looks whether all are there

`1f2e3d` stands for all that values depend on: parts of other weights, images or metrics have other
names, and are never put together with these.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Metric
from imtrans.evaluation.columns import MetricColumn, are_joinable
from imtrans.evaluation.table import EvaluationTable
from imtrans.host.files import make_folders, write_whole
from imtrans.host.foreign import FAULTS
from imtrans.host.locks import locked
from imtrans.host.share import Share

FOLDER, LOCK, SUFFIX = ".parts", ".parts.lock", ".safetensors"
NAME = re.compile(r"(\d+)-of-(\d+)-([0-9a-f]{12})\.safetensors")
OLD = 7 * 24 * 3600  # seconds: after that, parts of another evaluation are those of an aborted one


@dataclass(frozen=True)
class EvaluationParts:
    """The parts of one evaluation. `facts` are what its values depend on, in words: JSON."""

    folder: Path
    share: Share
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        versions = {"imtrans": imtrans.__version__, "torch": torch.__version__}
        text = json.dumps({**versions, **self.facts}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def path(self, share: Share) -> Path:
        return self.folder / FOLDER / f"{share.number}-of-{share.of}-{self.key}{SUFFIX}"

    def begin(self) -> None:
        """Remove what an earlier try has left of this share: it is measured again."""
        self.path(self.share).unlink(missing_ok=True)

    def leave(self, table: EvaluationTable) -> None:
        """Write what this share has found. Raises ImtransError when that is not possible."""
        try:
            make_folders(self.folder / FOLDER)
            write_whole(self.path(self.share), _packed(table, self.facts))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ImtransError(f"{self.folder}: the part cannot be written: {why}") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other share looks meanwhile whether all parts are there."""
        with locked(self.folder / LOCK, wait=True):
            try:
                yield
            finally:
                (self.folder / LOCK).unlink(missing_ok=True)

    @property
    def is_taken(self) -> bool:
        """Whether another share has put this one's part together with the others."""
        return not self.path(self.share).exists()

    def read(self, metrics: Mapping[str, Metric]) -> tuple[list[EvaluationTable], list[Share]]:
        """All parts, or else the shares whose parts are missing: one that is damaged is none."""
        shares = self.share.all()
        missing = [share for share in shares if not self.path(share).is_file()]
        if missing:
            return [], missing
        tables = [_unpacked(self.path(share), metrics) for share in shares]
        missing = [share for share, table in zip(shares, tables, strict=True) if table is None]
        return [table for table in tables if table], missing

    def remove(self) -> None:
        """Remove the parts, and those of others that nobody will put together."""
        for path in list((self.folder / FOLDER).glob("*")):
            found = NAME.fullmatch(path.name)
            with suppress(OSError):
                if (found and found[3] == self.key) or time.time() - path.stat().st_mtime > OLD:
                    path.unlink()
        with suppress(OSError):
            (self.folder / FOLDER).rmdir()

    def others(self) -> str:
        """A remark on parts of another evaluation or number of shares that are there, or ''."""
        for path in sorted((self.folder / FOLDER).glob(f"*{SUFFIX}")):
            found = NAME.fullmatch(path.name)
            if not found or time.time() - path.stat().st_mtime > OLD:
                continue
            if found[3] != self.key:
                return f". parts of another evaluation are there too: other {self._differs(path)}"
            if int(found[2]) != self.share.of:
                return f". parts of {found[2]} shares are there too; use one number for all"
        return ""

    def _differs(self, path: Path) -> str:
        with suppress(OSError, SafetensorError, *FAULTS), safe_open(path, "pt") as file:
            theirs = json.loads((file.metadata() or {})["facts"])
            mine = json.loads(json.dumps(self.facts, default=str))
            names = [name for name in mine if theirs.get(name) != mine[name]]
            return " and ".join(names) or "versions of imtrans or torch"
        return "files"


def without_unjoinable(
    tables: Sequence[EvaluationTable],
) -> tuple[list[EvaluationTable], list[str]]:
    """The tables without columns from which the values of all images do not follow, and the names
    of these."""
    measured = [table for table in tables if table.names]
    names = list(measured[0].columns) if measured else []
    lost = [n for n in names if not are_joinable([table.columns[n] for table in measured])]
    kept = [
        replace(table, columns={n: c for n, c in table.columns.items() if n not in lost})
        for table in tables
    ]
    return kept, lost


def _packed(table: EvaluationTable, facts: Mapping[str, Any]) -> bytes:
    tensors = {f"rows/{name}": column.rows.contiguous() for name, column in table.columns.items()}
    tensors |= {f"compared/{name}": column.compared_with for name, column in table.columns.items()}
    said = {
        "facts": facts,
        "names": list(table.names),
        "skipped": dict(table.skipped),
        "columns": {
            name: {"total": column.total, "sizes": sorted(column.sizes)}
            for name, column in table.columns.items()
        },
    }
    return save(tensors, {key: json.dumps(value, default=str) for key, value in said.items()})


def _unpacked(path: Path, metrics: Mapping[str, Metric]) -> EvaluationTable | None:
    try:
        with safe_open(path, "pt") as file:
            said = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            columns = {
                name: MetricColumn(
                    name,
                    metrics[name],
                    file.get_tensor(f"rows/{name}"),
                    file.get_tensor(f"compared/{name}"),
                    one["total"],
                    frozenset((height, width) for height, width in one["sizes"]),
                )
                for name, one in said["columns"].items()
            }
            return EvaluationTable(said["names"], columns, said["skipped"])
    except (OSError, SafetensorError, *FAULTS):
        return None
