"""Making networks and batches as small as memory and the given hours ask for, and no smaller."""

from collections.abc import Callable
from dataclasses import replace

from imtrans.drafting.machine import Cost
from imtrans.drafting.rules import epochs_by_pairs
from imtrans.drafting.situation import Situation

SMALLEST = 3  # how far a network can be made smaller: rules.py says how
LARGE = 224  # px: the shorter side of pictures that are seen in crops of 256
PARTS = (1, 2, 4)  # of a batch
# Pairs to show at least before a smaller network is the better choice: a quarter of what the paper
# shows of its smallest sets.
LEAST_SHOWN = 20_000


def fitted(
    facts: Situation,
    planned: Callable[[Situation], Situation],
    measured: Callable[[Situation], Cost],
) -> Situation:
    """The facts with what a step costs, of the largest network that fits."""
    # Smaller crops come last, where the pictures have more.
    smallest = SMALLEST if facts.shortest >= LARGE else SMALLEST - 1
    for shrunk in range(smallest + 1):
        facts = _into_memory(replace(facts, shrunk=shrunk, cost=None), measured)
        assert facts.cost is not None
        if facts.cost.failure or (facts.cost.fits and lasts(planned(facts))):
            break
    return facts


def _into_memory(facts: Situation, measured: Callable[[Situation], Cost]) -> Situation:
    for parts in PARTS:
        facts = replace(facts, parts=parts)
        cost = measured(facts)
        if cost.fits:
            break
    return replace(facts, cost=cost)


def lasts(facts: Situation) -> bool:
    """Whether the hours allow a training that is long enough for this network."""
    if facts.affordable is None or facts.affordable >= epochs_by_pairs(facts):
        return True
    return facts.affordable * facts.trained_on >= LEAST_SHOWN
