"""gpu.md: what was found, for a person."""

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from parts import PARTS
from results import FINISHED, Results

from imtrans.host.files import write_whole


def write_report(folder: Path) -> Path:
    """gpu.md, from gpu.json beside it."""
    found = Results(folder).parts
    parts = {name: found[name] for name in PARTS if name in found}
    lines = ["# imtrans on a GPU", ""]
    for place, names in _places(parts):
        lines += [", ".join(names), "", *table(("what", "is"), place.items()), ""]
    for name, part in parts.items():
        lines += [*_part(name, part), ""]
    path = folder / "gpu.md"
    write_whole(path, "\n".join(lines).encode())
    return path


def _places(parts: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each place, with the parts that were measured there: one place, as a rule."""
    found: list[tuple[dict[str, Any], list[str]]] = []
    for name, part in parts.items():
        known = next((names for place, names in found if place == part["place"]), None)
        if known is None:
            found.append((part["place"], [name]))
        else:
            known.append(name)
    yield from found


def _part(name: str, part: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    state = "" if part["status"] == FINISHED else f"**{part['status']}**, "
    yield f"{state}{part['begun']}, {part['seconds']:g} s: `{part['command']}`"
    yield ""
    yield from import_module(PARTS[name]).lines(part["results"])
    for what in part["left_out"]:
        yield f"- left out: {what}"
    for what, error in part["errors"].items():
        yield from ["", f"**{what} failed:**", "", "```", error.strip(), "```"]


def table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table of markdown; no lines where there are no rows."""
    shown = [_row(row) for row in rows]
    return [_row(heading), "|" + "---|" * len(heading), *shown] if shown else []


def _row(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict) and {"median", "low", "high"} <= value.keys():
        return spread(value)
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def spread(value: dict[str, float]) -> str:
    """`1.51 [1.45, 1.54]`: the median, the smallest and the largest."""
    return f"{value['median']:.4g} [{value['low']:.4g}, {value['high']:.4g}]"
