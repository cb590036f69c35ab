"""Files that training would refuse or misread: without a partner, damaged, or of another kind."""

from collections import Counter
from collections.abc import Iterator, Sequence

from imtrans.checking.data.inspected_pair import InspectedFile
from imtrans.checking.data.inspection import Inspection
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted

# Problem -> the message for one file, for several, and the remedy.
REFUSED = {
    "unreadable": (
        "cannot be read",
        "cannot be read",
        "copy or download these files again, or remove the pairs",
    ),
    "unfit": (
        "does not match the recipe",
        "do not match the recipe",
        "convert these files, or change dtype and channels of data.source or data.target",
    ),
    "transparent": (
        "has transparent pixels",
        "have transparent pixels",
        'choose what becomes of them: data.source.alpha or data.target.alpha = "white", "black", '
        '"drop" or "keep"',
    ),
}


def orphans(missing: Sequence[tuple[str, str]]) -> list[Finding]:
    """Files without a partner, which the layout found, as (file, what it misses)."""
    number = counted(len(missing), "file has", "files have")
    rows = (Row(name, what) for name, what in missing)
    remedy = "add the missing files, or remove these: training refuses a set with orphans"
    return finding_of("orphaned", f"{number} no partner", "error", rows, remedy)


def refused(inspection: Inspection) -> Iterator[Finding]:
    """Files at which training would stop, by what is wrong with them."""
    rows: dict[str, dict[str, str]] = {problem: {} for problem in REFUSED}
    for place, side, number, file in _files(inspection):
        if file.problem:
            # A file with both halves is reported once.
            rows[file.problem].setdefault(inspection.files(place, side)[number], file.reason)
    for problem, (one, many, remedy) in REFUSED.items():
        reasons = rows[problem]
        message = f"{counted(len(reasons), 'file')} {one if len(reasons) == 1 else many}"
        listed = (Row(name, reason) for name, reason in reasons.items())
        yield from finding_of(problem, message, "error", listed, remedy)


def mixed(inspection: Inspection) -> Iterator[Finding]:
    """Files whose bit depth or channels differ from those of most files of their side.

    Training converts some of them silently: grey becomes RGB. In a set of colour photographs they
    teach the network to output grey.
    """
    reported: set[str] = set()  # both halves of a file are of one kind
    for side in ("source", "target"):
        files = [(place, n, file) for place, its, n, file in _files(inspection) if its == side]
        kinds = Counter(file.header.kind for _, _, file in files if file.header)
        if len(kinds) < 2 or any(number for _, number, _ in files):
            continue  # several pictures on a side may be of different kinds on purpose
        (most, _), *_ = kinds.most_common()
        different = {
            inspection.files(place, side)[0]: file.header.kind
            for place, _, file in files
            if file.header and file.header.kind != most
        }
        rows = [Row(name, kind) for name, kind in different.items() if name not in reported]
        reported |= set(different)
        listed = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
        remedy = f"convert the others to {most}, or remove them if they show something else"
        message = f"the {side} has files of {len(kinds)} kinds: {listed}"
        yield from finding_of("mixed", message, "warning", rows, remedy)


def _files(inspection: Inspection) -> Iterator[tuple[int, str, int, InspectedFile]]:
    """(place, side, number on that side, file) of every picture."""
    for place, side, inspected in inspection.sides():
        for number, file in enumerate(inspected.files):
            yield place, side, number, file
