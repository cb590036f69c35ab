"""What an adversarial loss promises."""

import torch
from torch import Tensor

from imtrans.contracts.losses import check_scalar, logits, probe_adversarial
from imtrans.testing.case import Case
from imtrans.testing.drawn_weights import its_weights_if_any_are_the_same_at_a_seed


def is_a_finite_scalar_the_same_at_a_seed_and_changes_no_logits(case: Case) -> None:
    probe_adversarial(case.component, case.build(), *logits())


def number(case: Case, value: Tensor) -> float:
    check_scalar(case.component, value)
    return value.item()


def a_discriminator_that_is_fooled_pays_more(case: Case) -> None:
    loss = case.build()
    low, high = torch.full((2, 1, 3, 3), -2.0), torch.full((2, 1, 3, 3), 3.0)
    fooled = number(case, loss.discriminator_loss(low, high))
    right = number(case, loss.discriminator_loss(high, low))
    if not fooled > right:
        raise case.broken(
            f"`discriminator_loss` of a discriminator that takes fakes for real is {fooled:.4g}, "
            f"and of one that is right {right:.4g}",
            "`discriminator_loss(real_logits, fake_logits)` is small where real logits are high "
            "and fake ones low",
            "look whether real and fake are exchanged, or a sign is turned",
        )


def a_generator_that_fools_pays_less(case: Case) -> None:
    loss = case.build()
    fooling = number(case, loss.generator_loss(torch.full((2, 1, 3, 3), 1.0)))
    seen_through = number(case, loss.generator_loss(torch.full((2, 1, 3, 3), -2.0)))
    if not fooling < seen_through:
        raise case.broken(
            f"`generator_loss` is {fooling:.4g} where the fake logits are 1, and "
            f"{seen_through:.4g} where they are -2",
            "`generator_loss(fake_logits)` is smaller where fakes pass for real",
            "turn its sign",
        )


def survives_extreme_logits(case: Case) -> None:
    loss = case.build()
    extreme = torch.tensor([[[[-1e4, 1e4]]]], requires_grad=True)
    value = loss.discriminator_loss(extreme, extreme) + loss.generator_loss(extreme)
    value.backward()
    if not value.isfinite() or extreme.grad is None or not extreme.grad.isfinite().all():
        raise case.broken(
            "of logits of -10000 and 10000 the loss or its gradient is NaN or infinite",
            "it is finite for all logits: a discriminator that is sure must not end a training",
            "use `softplus` or `logsigmoid` instead of the logarithm of a sigmoid or an `exp`",
        )


PROMISES = (
    its_weights_if_any_are_the_same_at_a_seed,
    is_a_finite_scalar_the_same_at_a_seed_and_changes_no_logits,
    a_discriminator_that_is_fooled_pays_more,
    a_generator_that_fools_pays_less,
    survives_extreme_logits,
)
