"""What is wrong with a sweep, gathered from all of its variants and reported at once."""

from collections.abc import Collection
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.recipe.reading import report

TOP = "line 1"


class SweepProblems:
    """Each problem with its place in the file; what several variants share is one problem."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[tuple[str, str], tuple[str, list[str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, line: str, what: str) -> None:
        """A problem of one place: a line as `line 12`, or an option of the command line."""
        self._found.setdefault((line, what), (line, []))

    def add_of(self, variant: str, line: str, what: str) -> None:
        """A problem of a variant; where others have the same, the place is that of the first."""
        self._found.setdefault(("", what), (line, []))[1].append(variant)

    def refuse(self, variants: Collection[str]) -> None:
        """Raise ImtransError where there are any. What all of the `variants` have names none."""
        if not self._found:
            return
        rows = []
        for (_, what), (line, names) in self._found.items():
            whose = f"variants.{', '.join(names)}: " if 0 < len(names) < len(variants) else ""
            rows.append((line, f"{whose}{what}"))
        raise ImtransError(report(str(self.path), sorted(rows, key=_order)))


def _order(row: tuple[str, str]) -> tuple[bool, int, str]:
    line = row[0].removeprefix("line ")
    return (False, int(line), row[1]) if line.isdecimal() else (True, 0, row[0])
