"""What was measured on a set of images: a row for each image, and what they say together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from imtrans.api.errors import ImtransError
from imtrans.api.metric import SetMetric
from imtrans.evaluation.columns import Estimate, MetricColumn, estimates, joined

NO_VALUE = "the images are too small for it, or it finds no finite number in them"


@dataclass(frozen=True)
class EvaluationTable:
    """Images by their names, in order, and what each metric found in them."""

    names: Sequence[str]
    columns: Mapping[str, MetricColumn]
    skipped: Mapping[str, str] = field(default_factory=dict)  # by name: why it was not measured

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """Every value of all images together, by its name."""
        return estimates(list(self.columns.values()))

    @cached_property
    def of_each(self) -> dict[str, list[float | None]]:
        """The values of each image, by their names; None where an image has none."""
        values: dict[str, list[float | None]] = {}
        for column in self.columns.values():
            for name, found in column.of_each().items():
                values[name] = [one if math.isfinite(one) else None for one in found.tolist()]
        return values

    @property
    def remarks(self) -> list[str]:
        """What a reader of the values of whole sets should know."""
        found = []
        for name, column in self.columns.items():
            if isinstance(column.metric, SetMetric) and (remark := column.metric.remark(column.n)):
                found.append(remark)
            if name not in self.estimates:
                found.append(f"{name} is missing: {NO_VALUE}")
            elif 0 < column.n < len(self.names):
                found.append(f"{name} is of {column.n} of {len(self.names)} images: {NO_VALUE}")
        return found

    @property
    def main(self) -> str | None:
        """The value by which images are ordered: the first that each image has, and of which more
        is better, or less."""
        known = {name for name, one in self.estimates.items() if one.higher_is_better is not None}
        return next((name for name in self.of_each if name in known), None)

    def ordered(self) -> list[int]:
        """The numbers of the images, worst first, by the main value; without those that have
        none."""
        if self.main is None:
            return []
        sign = 1 if self.estimates[self.main].higher_is_better else -1
        values = enumerate(self.of_each[self.main])
        return [i for _, i in sorted((sign * value, i) for i, value in values if value is not None)]


def merged(parts: Sequence[EvaluationTable], order: Sequence[str] | None = None) -> EvaluationTable:
    """The tables of some images and of others as one, in the `order` of all names (by default
    sorted): whoever measured them. Raises ImtransError where an image is in several, or where
    metrics are not the same."""
    measured = [part for part in parts if part.names]
    names = [name for part in measured for name in part.names]
    if len(set(names)) < len(names):
        raise ImtransError("an image was measured in several parts; measure each in one of them")
    if len({tuple(part.columns) for part in measured}) > 1:
        raise ImtransError("the parts have other metrics; measure all with the same")
    skipped = {name: why for part in parts for name, why in part.skipped.items()}
    place = {name: at for at, name in enumerate(order or sorted({*names, *skipped}))}
    numbers = sorted(range(len(names)), key=lambda index: place[names[index]])
    columns = {
        name: joined([part.columns[name] for part in measured]).of(numbers)
        for name in (measured[0].columns if measured else ())
    }
    return EvaluationTable(
        [names[index] for index in numbers],
        columns,
        {name: skipped[name] for name in sorted(skipped, key=place.__getitem__)},
    )
