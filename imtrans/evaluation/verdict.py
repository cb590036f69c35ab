"""What a comparison says, in words that say no more than it does."""

from collections.abc import Iterator, Sequence

from imtrans.api.errors import quoted
from imtrans.api.samplers import NFE
from imtrans.evaluation.comparison import ComparedSide, Comparison, PairedDifference
from imtrans.host.words import counted

FEW = 30  # images
MANY = 10  # differences: some look certain by chance
VERDICTS = {True: "better", False: "worse", None: "not told apart"}
NEUTRAL = {True: "more", False: "less", None: "not told apart"}


def verdict_of(difference: PairedDifference) -> str:
    """`better`; where neither more nor less is better, `more`."""
    if difference.higher_is_better is None:
        return NEUTRAL[difference.above]
    return VERDICTS[difference.better]


def verdicts(comparison: Comparison) -> Iterator[str]:
    """A sentence for each side but the first."""
    first, *others = comparison.sides
    images = counted(len(comparison.images), "image")
    for index, side in enumerate(others):
        found = {
            name: rows[index].better
            for name, rows in comparison.differences.items()
            if rows[index].higher_is_better is not None
        }
        better = [name for name, one in found.items() if one is True]
        worse = [name for name, one in found.items() if one is False]
        open_ = [name for name, one in found.items() if one is None]
        yield _sentence(side.name, first.name, images, better, worse, open_)


def _sentence(
    name: str,
    first: str,
    images: str,
    better: Sequence[str],
    worse: Sequence[str],
    open_: Sequence[str],
) -> str:
    rest = f"; {quoted(open_)} cannot tell" if open_ else ""
    if not better and not worse:
        return f"no metric tells {name} from {first} on these {images}"
    if better and worse:
        return (
            f"the metrics disagree on these {images}: {name} is better than {first} by "
            f"{quoted(better)}, and worse by {quoted(worse)}{rest}"
        )
    how, by = ("better", better) if better else ("worse", worse)
    return f"{name} is {how} than {first} on these {images} by {quoted(by)}{rest}"


def cautions(comparison: Comparison) -> Iterator[str]:
    """What a reader of the numbers should know."""
    sides = comparison.sides
    if comparison.left_out:
        images = counted(comparison.left_out, "image")
        yield f"{images} left out, which not all of them have measured"
    if comparison.other_targets:
        images = counted(comparison.other_targets, "image")
        yield f"{images} left out of some metrics, as their targets are not the same everywhere"
    yield from dict.fromkeys(
        line for side in sides for one in side.evaluations for line in one.left_out
    )
    if comparison.not_compared:
        yield (
            f"{quoted(comparison.not_compared)} left out: not all of them have measured it, in the "
            "same way and with the same targets"
        )
    if len(numbers := _evaluations(sides)) > 1:
        yield (
            "not all of them sample in the same number of network evaluations: "
            + ", ".join(map(str, numbers))
        )
    if len(comparison.images) < FEW:
        yield f"{counted(len(comparison.images), 'image')} are few: intervals are rough"
    single = [side.name for side in sides if side.seeds == 1]
    if len(single) == len(sides):
        yield (
            "each is one training: another seed may change as much as these differences do. to "
            "compare recipes rather than two trainings, train several seeds of each (--set seed=1 "
            "--run-dir DIR) and name them all"
        )
    elif single:
        have, are = ("has", "is") if len(single) == 1 else ("have", "are")
        yield f"{quoted(single)} {have} one seed, and {are} taken to vary by seed as the others do"
    compared = len(comparison.differences) * (len(sides) - 1)
    if compared >= MANY:
        yield f"of {compared} differences one in twenty looks certain by chance"


def _evaluations(sides: Sequence[ComparedSide]) -> list[int]:
    """The numbers of network evaluations of those that have such a number."""
    found = (one.facts.get(NFE) for side in sides for one in side.evaluations)
    return sorted({number for number in found if isinstance(number, int)})


def seeds_of(side: ComparedSide) -> str:
    """`3 seeds`, or nothing for one."""
    return counted(side.seeds, "seed") if side.seeds > 1 else ""
