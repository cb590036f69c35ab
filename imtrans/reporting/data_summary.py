"""The data of a run as a page shows it: how much, how large, and what the check found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imtrans.api.pictures import Pair
from imtrans.checking.data.inspection import AllPairs, inspect_headers
from imtrans.checking.data.run_checks import check_headers, run_checks
from imtrans.checking.finding import Finding
from imtrans.data.pairs import spread
from imtrans.host.words import counted, plain
from imtrans.recipe.sizes import px
from imtrans.task import Task

LOOKED_AT = 200  # pairs whose sizes are read
ORDER = ("error", "warning", "note", "ok")

OnPair = Callable[[], None]


@dataclass
class DataSummary:
    """What is known of the data; `gone` says why nothing is."""

    gone: str = ""
    training: int = 0
    validation: int = 0
    unit: str = "pairs"
    facts: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    whole: bool = False  # whether every picture was opened, not only headers read


def summarise_data(
    task: Task, *, whole: bool = False, on_pair: OnPair = lambda: None
) -> DataSummary:
    """Count the pairs, and check them: by their headers, or with `whole` each of them."""
    try:
        training, validation = task.pairs, task.validation_pairs
        findings = _findings(task, whole, on_pair)
        return DataSummary(
            "",
            len(training),
            len(validation),
            task.unit,
            _facts(task, training, validation),
            sorted(findings, key=lambda finding: ORDER.index(finding.severity)),
            whole,
        )
    except Exception as error:  # also of plugins that are not here; the page says why
        return DataSummary(gone=plain(error, 600))


def _findings(task: Task, whole: bool, on_pair: OnPair) -> list[Finding]:
    data, paired = task.recipe.data, task.paired
    training, validation = task.pairs, task.validation_pairs
    if not whole:
        return check_headers(training, validation, data, paired=paired)
    return run_checks(
        training, validation, data, paired=paired, workers=data.workers, on_pair=on_pair
    )


def _facts(
    task: Task, training: Sequence[Pair], validation: Sequence[Pair]
) -> list[tuple[str, str]]:
    data = task.recipe.data
    pairs = AllPairs(training, validation)
    some = AllPairs([pairs[at] for at in spread(len(pairs), LOOKED_AT)], [])
    inspection = inspect_headers(some, data, paired=task.paired)
    sizes: dict[str, list[tuple[int, int]]] = {}
    for _, side, inspected in inspection.sides():
        if inspected.size:
            sizes.setdefault(side, []).append(inspected.size)
    facts = [("folder", data.root), ("layout", data.layout.name)]
    if data.derive:
        facts.append(("sources", f"derived from the targets by {data.derive.name}"))
    else:
        facts.append(("direction", data.direction))
    facts += [(f"{side} size", _sizes(found)) for side, found in sizes.items()]
    crop = f", crops of {px(data.crop_size)}" if data.load != data.crop else ""
    facts.append(("resized to", f"{px(data.load_size or data.crop_size)}{crop}"))
    if len(pairs) > LOOKED_AT:
        facts.append(("sizes are of", f"{counted(LOOKED_AT, 'pair')}, spread over the set"))
    return facts


def _sizes(found: list[tuple[int, int]]) -> str:
    low, high = min(found), max(found)
    one = f"{low[0]} x {low[1]} px"
    if low == high:
        return one
    widths, heights = zip(*found, strict=True)
    return f"{min(widths)} x {min(heights)} to {max(widths)} x {max(heights)} px"
