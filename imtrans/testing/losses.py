"""What a loss promises."""

import torch
from torch import Tensor

from imtrans.contracts.losses import probe_loss, target_for
from imtrans.testing.case import Case
from imtrans.testing.drawn_weights import its_weights_if_any_are_the_same_at_a_seed


def images(loss: object) -> tuple[Tensor, Tensor]:
    """An output (2, 3, 64, 72) and its target, not far from it; one-hot for losses of classes."""
    generator = torch.Generator().manual_seed(0)
    target = target_for(loss, torch.rand(2, 3, 64, 72, generator=generator) * 2 - 1)
    near = target + 0.1 * torch.randn(target.shape, generator=generator)
    return near.clamp(-1, 1), target


def is_a_finite_scalar_the_same_at_a_seed_and_changes_no_image(case: Case) -> None:
    loss = case.build()
    probe_loss(case.component, loss, *images(loss))


def smallest_where_equal(case: Case) -> None:
    loss = case.build()
    output, target = images(loss)
    far, equal = float(loss(output, target)), float(loss(target, target.clone()))
    if not far > equal:
        raise case.broken(
            f"where output and target are equal it is {equal:.6g}, and where they differ {far:.6g}",
            "a loss is smallest where both are equal",
            "turn its sign: what grows with likeness is `1 - likeness`",
        )


def a_step_along_its_gradient_makes_it_smaller(case: Case) -> None:
    loss = case.build()
    output, target = images(loss)
    output.requires_grad_(True)
    far = loss(output, target)
    if not far.requires_grad:
        raise case.broken(
            "its value does not depend on the output by a gradient",
            "a loss trains a generator: gradients flow from it into the output",
            "compute it with torch alone, without `.item()`, `.detach()`, numpy or rounding",
        )
    far.backward()
    assert output.grad is not None
    nearer = loss(output.detach() - 0.05 * output.grad.sign(), target)
    if not nearer < far:
        raise case.broken(
            f"a step against its gradient takes it from {float(far):.6g} to {float(nearer):.6g}",
            "its gradient leads from the output towards the target",
            "look for `detach()` or `torch.no_grad()` on the side of the output, or a wrong sign",
        )


def its_gradient_is_finite_where_equal(case: Case) -> None:
    loss = case.build()
    _, target = images(loss)
    output = target.clone().requires_grad_(True)
    loss(output, target).backward()
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
