"""Lines of JSON, one a step: what a run has measured."""

import json
from collections.abc import Mapping
from pathlib import Path

from imtrans.files import write_whole


class Journal:
    """A file of records that each name their step; none is there twice. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop the records of steps that will be taken again, and a line that is torn."""
        rows: list[str] = []
        if self.path.exists():
            rows = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        kept = "".join(f"{row}\n" for row in rows if _up_to(row, step))
        write_whole(self.path, kept.encode())


def _up_to(row: str, step: int) -> bool:
    try:
        return bool(json.loads(row)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False
