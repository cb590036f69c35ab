"""What a loss promises."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from imtrans.contracts.losses import check_scalar, of_one_colour, probe_loss, target_for
from imtrans.testing.case import Case
from imtrans.testing.drawn_weights import its_weights_if_any_are_the_same_at_a_seed

# Of the pixel that changes most, down to 1e-4. Larger ones overshoot so far that a loss with a
# wrong sign could seem to gain by them.
STEPS = tuple(0.5**halvings for halvings in range(4, 14))

Valued = Callable[[Tensor, Tensor], Tensor]


def images(loss: object) -> tuple[Tensor, Tensor]:
    """An output (2, 3, 64, 72) and its target; one-hot for losses of classes. The output has half
    of the target's contrast and some noise: losses that compare statistics find them apart."""
    generator = torch.Generator().manual_seed(0)
    target = target_for(loss, torch.rand(2, 3, 64, 72, generator=generator) * 2 - 1)
    output = 0.5 * target + 0.1 * torch.randn(target.shape, generator=generator)
    return output.clamp(-1, 1), target


def built(case: Case) -> tuple[Any, Valued]:
    """The loss, and its values: as in a training, with torch seeded."""
    loss = case.build()
    if isinstance(loss, nn.Module):
        loss.requires_grad_(False).eval()

    def value(output: Tensor, target: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            found: Tensor = loss(output, target)
        check_scalar(case.component, found)
        return found

    return loss, value


def is_a_finite_scalar_the_same_at_a_seed_and_changes_no_image(case: Case) -> None:
    loss, _ = built(case)
    probe_loss(case.component, loss, *images(loss))


def smallest_where_equal(case: Case) -> None:
    loss, value = built(case)
    output, target = images(loss)
    far, equal = float(value(output, target)), float(value(target.clone(), target))
    if far == float(value(output, of_one_colour(target))):
        raise case.broken(
            f"it is {far:.6g} for two targets that are unlike",
            "a loss is smallest where output and target are equal",
            "compare the output with the target: what depends on the output alone draws every "
            "output to the same image",
        )
    if not far > equal:
        raise case.broken(
            f"where output and target are equal it is {equal:.6g}, and where they differ {far:.6g}",
            "a loss is smallest where both are equal",
            "turn its sign: what grows with likeness is `1 - likeness`",
        )
    for name, other in _unlike(target):
        found = float(value(other, target))
        if found < equal - 1e-6 - 1e-4 * abs(equal):
            raise case.broken(
                f"where output and target are equal it is {equal:.6g}, and of an output that is "
                f"{name} {found:.6g}",
                "a loss is smallest where both are equal",
                "take a difference of the two that is 0 where they are equal, as in "
                "`(of_output - of_target).abs()`",
            )


def _unlike(target: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "flat (0 everywhere)", torch.zeros_like(target)
    yield "the target, blurred", avg_pool2d(target, 5, 1, 2)
    yield "the target with half of its contrast", target / 2
    yield "the target, inverted", -target
    yield "the target, shifted", target.roll((5, 9), (2, 3))


def a_step_along_its_gradient_makes_it_smaller(case: Case) -> None:
    loss, value = built(case)
    output, target = images(loss)
    output.requires_grad_(True)
    far = value(output, target)
    if not far.requires_grad:
        raise case.broken(
            "its value does not depend on the output by a gradient",
            "a loss trains a generator: gradients flow from it into the output",
            "compute it with torch alone, without `.item()`, `.detach()`, numpy or rounding",
        )
    far.backward()
    gradient, start, before = output.grad, output.detach(), far.item()
    largest = 0.0 if gradient is None else float(gradient.abs().max())
    if gradient is None or not 0 < largest < float("inf"):
        raise case.broken(
            f"its gradient is {largest:.3g} at most, where output and target differ",
            "a loss trains a generator: gradients flow from it into the output",
            "look for `detach()`, `torch.no_grad()`, rounding or `clamp()` on the side of the "
            "output",
        )
    way = gradient / largest
    with torch.no_grad():
        nearest = min(float(value(start - step * way, target)) for step in STEPS)
    if not nearest < before:
        raise case.broken(
            f"steps against its gradient, from {STEPS[0]:.1g} to {STEPS[-1]:.0e} at the pixel that "
            f"changes most, take it from {before:.6g} to {nearest:.6g} at best",
            "its gradient leads from the output towards the target",
            "look for `detach()` or `torch.no_grad()` on the side of the output, or a wrong sign",
        )


def its_gradient_is_finite_where_equal(case: Case) -> None:
    loss, value = built(case)
    _, target = images(loss)
    output = target.clone().requires_grad_(True)
    value(output, target).backward()
    if output.grad is None or not output.grad.isfinite().all():
        raise case.broken(
            "where output and target are equal its gradient is NaN or infinite",
            "a gradient is finite everywhere: one that is not ends a training",
            "the derivative of a root, of a norm and of a division is infinite at 0: add a small "
            "epsilon inside",
        )


PROMISES = (
    its_weights_if_any_are_the_same_at_a_seed,
    is_a_finite_scalar_the_same_at_a_seed_and_changes_no_image,
    smallest_where_equal,
    a_step_along_its_gradient_makes_it_smaller,
    its_gradient_is_finite_where_equal,
)
