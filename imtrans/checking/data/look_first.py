"""The part of the data check that runs before every training: by headers and names alone."""

from collections.abc import Callable

from imtrans.api.errors import ImtransError, some
from imtrans.checking.data.run_checks import check_headers
from imtrans.task import Task

SHOWN = 3  # files of a finding


def look_first(task: Task, say: Callable[[str], None]) -> None:
    """Report what the headers of the files show; raise ImtransError for what would fail."""
    errors = []
    data, paired = task.recipe.data, task.paired
    for finding in check_headers(task.pairs, task.validation_pairs, data, paired=paired):
        rows = some((f"{row.name}: {row.detail}" for row in finding.rows), SHOWN)
        all_of_them = "; `imtrans data check` lists all" if len(finding.rows) > SHOWN else ""
        shown = f": {rows}" if rows else ""
        line = f"{finding.message}{shown}. {finding.remedy}{all_of_them}"
        if finding.severity == "error":
            errors.append(line)
        else:
            say(f"{finding.severity}: {line}")
    if errors:
        raise ImtransError("\n".join(errors))
