"""Pictures that every side has, side by side: source, the output of each side, target."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imtrans.api.errors import some
from imtrans.host.words import counted
from imtrans.reporting.evaluated import Evaluation, Triptych
from imtrans.reporting.gathering import UNSELECTED
from imtrans.reporting.pictures import Figure

SOURCE, TARGET = "source", "target"
SELECTED = "Chosen by how good or bad they are, by the main metric of each evaluation."


@dataclass(eq=False)
class ComparedPicture:
    """An image as every side shows it, with the values of each."""

    name: str
    first_by_name: bool
    sides: dict[str, Figure]  # source, outputs by the names of the sides, target
    columns: list[str]
    rows: list[list[str]]
    main: tuple[str, float] | None = None  # of one output alone

    @property
    def listed(self) -> dict[str, Any]:
        """Its values for the script, as JSON has them."""
        return {"columns": self.columns, "rows": self.rows}


@dataclass
class ComparedGroup:
    """Pictures under one heading."""

    title: str
    triptychs: list[ComparedPicture]
    note: str = ""


@dataclass
class ComparedPictures:
    """All that every side shows; `remarks` say what is left out."""

    outputs: list[str] = field(default_factory=list)  # the labels of outputs
    groups: list[ComparedGroup] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def compared_pictures(
    evaluations: Mapping[str, Evaluation], images: Collection[str], values: Sequence[str]
) -> ComparedPictures:
    """What evaluations show, one of each side, by its name; of `images`, and with `values`, which
    are those that compare."""
    labels = {name: _label(name) for name in evaluations}
    by_name = [{one.name: one for one in each.triptychs} for each in evaluations.values()]
    shared = [
        name
        for name in by_name[0]
        if name in images and all(name in pictures for pictures in by_name)
    ]
    rows, other = [], []
    for name in shared:
        found = dict(zip(labels.values(), (each[name] for each in by_name), strict=True))
        if _same([one.sides[TARGET] for one in found.values() if TARGET in one.sides]):
            rows.append(_picture(name, found, values))
        else:
            other.append(name)
    remarks = []
    if other:
        remarks.append(
            f"{counted(len(other), 'image')} left out, whose targets are not the same everywhere: "
            f"{some(other, 3)}."
        )
    return ComparedPictures(list(labels.values()), _groups(rows), remarks)


def _label(side: str) -> str:
    return f"run {side}" if side in (SOURCE, TARGET) else side


def _picture(name: str, found: Mapping[str, Triptych], values: Sequence[str]) -> ComparedPicture:
    sources = {label: one.sides[SOURCE] for label, one in found.items() if SOURCE in one.sides}
    targets = [one.sides[TARGET] for one in found.values() if TARGET in one.sides]
    sides: dict[str, Figure] = {}
    if sources and _same(list(sources.values())):
        sides[SOURCE] = next(iter(sources.values()))
    else:
        sides = {f"{SOURCE} of {label}": figure for label, figure in sources.items()}
    sides |= {label: one.sides["output"] for label, one in found.items()}
    if targets:
        sides[TARGET] = targets[0]
    shared = [value for value in values if all(value in one.values for one in found.values())]
    rows = [[value, *(one.values[value] for one in found.values())] for value in shared]
    first = all("first" in one.why for one in found.values())
    return ComparedPicture(name, first, sides, list(found), rows)


def _same(figures: Sequence[Figure]) -> bool:
    """Whether they show the same pixels."""
    seen = {(one.image.size, one.image.mode, one.image.tobytes()) for one in figures}
    return len(seen) < 2


def _groups(rows: Sequence[ComparedPicture]) -> list[ComparedGroup]:
    groups = [
        ComparedGroup("First by name", [row for row in rows if row.first_by_name], UNSELECTED),
        ComparedGroup(
            "Worst or best in each", [row for row in rows if not row.first_by_name], SELECTED
        ),
    ]
    return [group for group in groups if group.triptychs]
