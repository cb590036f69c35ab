"""All checks of a data set and their order; and the cheap ones, which read headers only."""

from collections.abc import Callable, Sequence

from imtrans.api.pictures import Pair
from imtrans.checking.data.copies import copies, near_copies, same_files
from imtrans.checking.data.equal_sides import equal_sides
from imtrans.checking.data.files import mixed, orphans, refused
from imtrans.checking.data.inspection import AllPairs, inspect, inspect_headers, one_sided
from imtrans.checking.data.labels import blurred, off_palette
from imtrans.checking.data.misread import misread
from imtrans.checking.data.pairing import pairing, sample_pairs, sample_size
from imtrans.checking.data.shapes import rotated, shapes, sizes
from imtrans.checking.data.unlike import unlike
from imtrans.checking.data.values import constant, narrow, outside, ranges
from imtrans.checking.finding import Finding
from imtrans.data.pairs import spread
from imtrans.recipe.schema import DataTable

HEADERS = 1000  # pairs whose headers are read before a training starts


def run_checks(
    training: Sequence[Pair],
    validation: Sequence[Pair],
    data: DataTable,
    *,
    paired: bool = True,
    missing: Sequence[tuple[str, str]] = (),
    guessed: bool = False,
    workers: int | None = None,
    on_pair: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Decode every pair in parallel and report what is wrong: errors first, notes last.

    If not `paired`, every picture is decoded once, and sides are not compared with each other.
    `missing`: the files without a partner, as the layout reports them. With `guessed` nobody wrote
    the ranges in the data table, so values are not compared with them. `on_pair` is called
    `pairs_to_read` times.
    """
    pairs = what_is_read(training, validation, paired=paired)
    sample = sample_pairs(pairs, data, workers, on_pair, paired=paired)
    inspection, evidences = inspect(
        pairs,
        data,
        paired=paired,
        correspondence=sample.correspondence,
        workers=workers,
        on_pair=on_pair,
    )
    findings = [
        *orphans(missing),
        *misread(inspection, training, validation),
        *refused(inspection),
        *shapes(inspection),
        *copies(inspection),
        *pairing(inspection, evidences, sample),
        *([] if guessed else outside(inspection)),
        *mixed(inspection),
        *rotated(inspection),
        *constant(inspection),
        *equal_sides(inspection),
        *unlike(inspection, evidences),
        *near_copies(inspection),
        *off_palette(inspection),
        *narrow(inspection, guessed),
        *blurred(inspection, sample.views),
        *sizes(inspection),
        *ranges(inspection, guessed),
    ]
    order = ("error", "warning", "note")
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def what_is_read(training: Sequence[Pair], validation: Sequence[Pair], *, paired: bool) -> AllPairs:
    """All pairs, or every picture of unpaired sides once."""
    if paired:
        return AllPairs(training, validation)
    return AllPairs(one_sided(training), one_sided(validation))


def pairs_to_read(
    training: Sequence[Pair], validation: Sequence[Pair], data: DataTable, *, paired: bool = True
) -> int:
    """How many pairs `run_checks` reads; those of the sample count twice."""
    pairs = what_is_read(training, validation, paired=paired)
    return sample_size(pairs, data) + len(pairs)


def check_headers(
    training: Sequence[Pair], validation: Sequence[Pair], data: DataTable, *, paired: bool = True
) -> list[Finding]:
    """What headers alone show, of at most HEADERS pairs spread over the set; a fraction of a
    second."""
    pairs = AllPairs(training, validation)
    some = [pairs[index] for index in spread(len(pairs), HEADERS)]
    inspection = inspect_headers(what_is_read(some, [], paired=paired), data, paired=paired)
    return [
        *misread(inspection, training, validation),
        *refused(inspection),
        *shapes(inspection),
        *same_files(training, validation, inspection.noun),
        *mixed(inspection),
        *rotated(inspection),
    ]
