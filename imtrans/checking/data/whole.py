"""The check, whole: which findings there are, in which order; and the cheap part of it."""

from collections.abc import Callable, Sequence

from imtrans.api.pictures import Pair
from imtrans.checking.data.copies import copies, near_copies, same_files
from imtrans.checking.data.files import mixed, orphans, refused
from imtrans.checking.data.finding import Finding
from imtrans.checking.data.labels import blurred, off_palette
from imtrans.checking.data.pairing import pairing, sample, sample_size
from imtrans.checking.data.shapes import rotated, shapes, sizes
from imtrans.checking.data.survey import Both, glances, looks, one_sided, spread
from imtrans.checking.data.values import constant, narrow, outside, ranges
from imtrans.recipe.schema import DataTable

QUICK = 1000  # pairs whose headers a training reads before it starts


def check(
    training: Sequence[Pair],
    held_out: Sequence[Pair],
    data: DataTable,
    *,
    paired: bool = True,
    missing: Sequence[tuple[str, str]] = (),
    guessed: bool = False,
    workers: int | None = None,
    looked: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Open every pair in parallel and say what is wrong, the gravest first, notes last.

    Not `paired`: every picture is opened once, and nothing is said of how sides fit together.
    `missing` is what the layout found without partner. Where the data table is `guessed`, its
    ranges are no one's word, and nothing is measured by them. `looked` is called `steps` times.
    """
    pairs = opened(training, held_out, paired)
    some = sample(pairs, data, workers, looked, paired=paired)
    survey, evidences = looks(
        pairs,
        data,
        paired=paired,
        correspondence=some.correspondence,
        workers=workers,
        looked=looked,
    )
    findings = [
        *orphans(missing),
        *refused(survey),
        *shapes(survey),
        *copies(survey),
        *pairing(survey, evidences, some),
        *([] if guessed else outside(survey)),
        *mixed(survey),
        *rotated(survey),
        *constant(survey),
        *near_copies(survey),
        *off_palette(survey),
        *narrow(survey, guessed),
        *blurred(survey, some.views),
        *sizes(survey),
        *ranges(survey, guessed),
    ]
    grave = ("error", "warning", "note")
    return sorted(findings, key=lambda finding: grave.index(finding.severity))


def steps(
    training: Sequence[Pair], held_out: Sequence[Pair], data: DataTable, *, paired: bool = True
) -> int:
    """How many pairs `check` reads; those that it learns from twice."""
    pairs = opened(training, held_out, paired)
    return sample_size(pairs, data) + len(pairs)


def opened(training: Sequence[Pair], held_out: Sequence[Pair], paired: bool) -> Both:
    """What `check` opens: pairs, or every picture of unpaired sides once."""
    if paired:
        return Both(training, held_out)
    return Both(one_sided(training), one_sided(held_out))


def quick(
    training: Sequence[Pair], held_out: Sequence[Pair], data: DataTable, *, paired: bool = True
) -> list[Finding]:
    """What headers alone tell, of at most QUICK pairs spread evenly: in a fraction of a second."""
    pairs = Both(training, held_out)
    some = [pairs[index] for index in spread(len(pairs), QUICK)]
    seen = opened(some, [], paired)
    survey = glances(seen, data, range(len(seen)), paired=paired)
    return [
        *refused(survey),
        *shapes(survey),
        *same_files(training, held_out, survey.noun),
        *mixed(survey),
        *rotated(survey),
    ]
