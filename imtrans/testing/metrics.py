"""What a metric promises."""

import math
from typing import Any

import torch
from torch import Tensor

from imtrans.contracts.metrics import probe_metric
from imtrans.evaluation.contract import values_of
from imtrans.testing.case import Case, NotChecked

SIDE = 176  # px: five scales of structural similarity


def images(seed: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, SIDE, SIDE, generator=generator) * 2 - 1


def other_images(seed: int, count: int = 2) -> Tensor:
    """Other images, darker and flatter as a whole."""
    return images(seed, count) * 0.4 - 0.5


def built(case: Case) -> Any:
    if getattr(case.of_recipe.made, "needs_source", False):
        raise NotChecked("it compares outputs with their sources, which only its author can draw")
    return case.build()


def measured(case: Case, metric: Any, *pairs: tuple[Tensor, Tensor]) -> float:
    """The metric's own value of batches (output, target)."""
    metric.reset()
    for output, target in pairs:
        metric.update(output, target)
    return values_of(case.component.name, metric)[case.component.name]


def is_a_number_the_same_at_a_seed_and_changes_no_image(case: Case) -> None:
    probe_metric(case.component, built(case), other_images(1), images(0), images(2))


def says_which_of_two_values_is_better(case: Case) -> None:
    found = getattr(built(case), "higher_is_better", None)
    if found not in (True, False):
        raise case.broken(
            f"its `higher_is_better` is {found!r}",
            "a metric says which of two values is better: by it the best checkpoint is chosen",
            "set `higher_is_better = True` for a likeness, False for a distance",
        )


def is_best_where_output_and_target_are_equal(case: Case) -> None:
    metric = built(case)
    equal = measured(case, metric, (images(0), images(0)))
    far = measured(case, metric, (other_images(1), images(0)))
    if not math.isfinite(equal) or (equal > far) != metric.higher_is_better:
        raise case.broken(
            f"where output and target are equal it is {equal:.6g}, where they are not {far:.6g}, "
            f"and `higher_is_better` is {metric.higher_is_better}",
            "a metric is finite and best where output and target are equal",
            f"set `higher_is_better = {equal > far}`"
            if math.isfinite(equal)
            else "give a large number instead of infinity, as of a distance of 1e-10",
        )


def depends_on_no_order_and_no_batch(case: Case) -> None:
    metric = built(case)
    output, target = other_images(1, 3), images(0, 3)
    whole = measured(case, metric, (output, target))
    alone = [*zip(output.split(1), target.split(1), strict=True)]
    parts = measured(case, metric, *alone[::-1])
    if not math.isclose(parts, whole, rel_tol=1e-4):
        raise case.broken(
            f"three images at once give {whole:.6g}, one by one and backwards {parts:.6g}",
            "a metric depends on no order and no batch",
            "sum over images in `update`, and divide by their number in `compute`; or derive it "
            "from `imtrans.api.metric.ImageMetric`",
        )


def forgets_when_it_is_reset(case: Case) -> None:
    metric = built(case)
    pair = (other_images(1, 3), images(0, 3))
    first = measured(case, metric, pair)
    measured(case, metric, (images(2), images(3)))
    if (again := measured(case, metric, pair)) != first:
        raise case.broken(
            f"after `reset()` the same images give {again:.6g} instead of {first:.6g}",
            "`reset()` forgets all images",
            "put back in `reset` all that `update` changes",
        )


PROMISES = (
    is_a_number_the_same_at_a_seed_and_changes_no_image,
    says_which_of_two_values_is_better,
    is_best_where_output_and_target_are_equal,
    depends_on_no_order_and_no_batch,
    forgets_when_it_is_reset,
)
