"""An evaluation measured by one process, or by shares of which the last puts all parts together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError, some
from imtrans.api.hookspecs import Metric
from imtrans.api.metric import ImageMetric, SetMetric
from imtrans.evaluation.pairs import NothingMeasured
from imtrans.evaluation.parts import EvaluationParts, without_unjoinable
from imtrans.evaluation.table import EvaluationTable, merged
from imtrans.evaluation.wanted import Gathered, Result, Say
from imtrans.host.share import Share

SHOWN = 12  # missing shares in a line
ONE_PROCESS = (
    "{} is not measured by shares: its value is no mean over single images, so that it needs one "
    "process; measure it without --shard and torchrun"
)


def for_shares(
    metrics: Mapping[str, Metric], share: Share, say: Say, *, asked: bool
) -> dict[str, Metric]:
    """The metrics that shares can measure; the others are left out with a line. Raises ImtransError
    for one that was asked for, or when none is left."""
    lone = [] if share.is_all else [name for name, one in metrics.items() if _looks_at_all(one)]
    kept = {name: metric for name, metric in metrics.items() if name not in lone}
    if lone and (asked or not kept):
        raise ImtransError(ONE_PROCESS.format(lone[0]))
    for name in lone:
        say(ONE_PROCESS.format(name))
    return kept


def _looks_at_all(metric: Metric) -> bool:
    """Whether a third party's metric finds nothing in single images."""
    own = isinstance(metric, ImageMetric | SetMetric)
    return not own and not getattr(metric, "needs_target", True)


@dataclass(frozen=True)
class Work:
    """An evaluation that is to be made: `names` are those of all images, in their order. `measure`
    those of one share, `write` the table of all. What the values depend on is asked of shares."""

    folder: Path
    names: Sequence[str]
    metrics: Mapping[str, Metric]
    measure: Callable[[], EvaluationTable]
    write: Callable[[EvaluationTable], None]
    depends_on: Callable[[], Mapping[str, Any]]


def measured_together(work: Work, share: Share, gathered: Gathered) -> Result:
    """Measure a share, and write the table of all images once all parts are there. Raises what
    `measure` and `write` raise."""
    if share.is_all:
        table = work.measure()
        work.write(table)
        return Result(work.folder, table)
    parts = EvaluationParts(work.folder, share, work.depends_on())
    parts.begin()
    try:
        table = work.measure()
    except NothingMeasured as error:
        table = EvaluationTable([], {}, error.skipped)
    parts.leave(table)
    skipped = gathered(dict(table.skipped))
    if skipped is None:
        return Result(parts.folder, table, pending="")
    with parts.alone():
        if parts.is_taken:
            return _pending(parts, table, skipped, "their values are written by another share")
        tables, missing = parts.read(work.metrics)
        if missing:
            named = list(dict.fromkeys(str(share.named) for share in missing))
            more = f"still missing: {some(named, SHOWN)}{parts.others()}"
            return _pending(parts, table, skipped, more, len(named))
        result = _finished(work, tables)
        parts.remove()
        return result


def _pending(
    parts: EvaluationParts,
    table: EvaluationTable,
    skipped: Iterable[Mapping[str, str]],
    what: str,
    missing: int = 0,
) -> Result:
    of = parts.share.named.of
    there = f"{of - missing} of {of} parts are there; {what}"
    all_skipped = {name: why for one in skipped for name, why in one.items()}
    return Result(parts.folder, replace(table, skipped=all_skipped), pending=there)


def _finished(work: Work, tables: Sequence[EvaluationTable]) -> Result:
    tables, lost = without_unjoinable(tables)
    table = merged(tables, work.names)
    if not table.names:
        raise NothingMeasured(table.skipped)
    lines = [ONE_PROCESS.format(name) for name in lost]
    if not table.columns:
        raise ImtransError(lines[0])
    work.write(table)
    return Result(work.folder, table, left_out=lines)
