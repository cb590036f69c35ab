"""Files that training would stumble over: without partner, damaged, or of another kind."""

from collections import Counter
from collections.abc import Iterator, Sequence

from imtrans.checking.data.finding import Finding, Row, count, found
from imtrans.checking.data.look import FileLook
from imtrans.checking.data.survey import Survey

# Problem -> what is said of one file, of several, and the remedy.
REFUSED = {
    "unreadable": (
        "cannot be read",
        "cannot be read",
        "copy or fetch these files again, or take the pairs out",
    ),
    "unfit": (
        "is not what the recipe says",
        "are not what the recipe says",
        "convert these files, or say what they are: dtype and channels of data.source, data.target",
    ),
    "transparent": (
        "has transparent pixels",
        "have transparent pixels",
        'say what they are: data.source.alpha (or data.target.alpha) = "white", "black", "drop" '
        'or "keep"',
    ),
}


def orphans(missing: Sequence[tuple[str, str]]) -> list[Finding]:
    """What a layout found without partner, as (file, what it misses)."""
    number = count(len(missing), "file has", "files have")
    rows = (Row(name, what) for name, what in missing)
    remedy = "add the missing files, or remove these; a training refuses them"
    return found("orphaned", f"{number} no partner", "error", rows, remedy)


def refused(survey: Survey) -> Iterator[Finding]:
    """Files that a training would stop at, by what is wrong with them."""
    rows: dict[str, dict[str, str]] = {problem: {} for problem in REFUSED}
    for place, side, number, seen in _files(survey):
        if seen.problem:
            # Of both halves of a file the first says it.
            rows[seen.problem].setdefault(survey.files(place, side)[number], seen.reason)
    for problem, (one, many, remedy) in REFUSED.items():
        reasons = rows[problem]
        title = f"{count(len(reasons), 'file')} {one if len(reasons) == 1 else many}"
        listed = (Row(name, reason) for name, reason in reasons.items())
        yield from found(problem, title, "error", listed, remedy)


def mixed(survey: Survey) -> Iterator[Finding]:
    """Files of another bit depth or other channels than most of their side.

    Training takes some of them: grey becomes RGB without a word. In a set of colour photographs
    they teach grey.
    """
    told: set[str] = set()  # both halves of a file are of one kind
    for side in ("source", "target"):
        mine = [(place, n, seen) for place, its, n, seen in _files(survey) if its == side]
        kinds = Counter(seen.header.kind for _, _, seen in mine if seen.header)
        if len(kinds) < 2 or any(number for _, number, _ in mine):
            continue  # several pictures to a side may be of several kinds by intention
        (most, _), *_ = kinds.most_common()
        named = {
            survey.files(place, side)[0]: seen.header.kind
            for place, _, seen in mine
            if seen.header and seen.header.kind != most
        }
        rows = [Row(name, kind) for name, kind in named.items() if name not in told]
        told |= set(named)
        said = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
        remedy = f"convert the few to {most}, or take them out if they show something else"
        title = f"the {side} has files of {len(kinds)} kinds: {said}"
        yield from found("mixed", title, "warning", rows, remedy)


def _files(survey: Survey) -> Iterator[tuple[int, str, int, FileLook]]:
    """(place, side, number on that side, look) of every picture."""
    for place, side, seen in survey.sides():
        for number, file in enumerate(seen.files):
            yield place, side, number, file
