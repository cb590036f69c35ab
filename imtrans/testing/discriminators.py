"""What a discriminator promises."""

from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.method import scales
from imtrans.contracts.networks import check_finite, noise, probe_discriminator
from imtrans.contracts.states import check_channels_last, probe_state
from imtrans.testing.case import Case
from imtrans.testing.drawn_weights import weights_follow_the_seed

SOURCE, TARGET = 2, 3
SIDES = (128, 136)  # px


def built(case: Case) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = case.build(SOURCE, TARGET)
    return network


def pair() -> tuple[Tensor, Tensor]:
    return noise(SOURCE, *SIDES), noise(TARGET, *SIDES, seed=1)


def logits(output: Any) -> Tensor:
    """Of all scales."""
    return torch.cat([each.flatten() for each, _ in scales(output)])


def gives_finite_logits_the_same_at_a_seed_and_changes_no_image(case: Case) -> None:
    probe_discriminator(case.component, built(case), *pair())


def says_how_far_it_sees(case: Case) -> None:
    field = getattr(built(case), "receptive_field", None)
    if not isinstance(field, int) or field < 1:
        raise case.broken(
            f"its `receptive_field` is {field!r}",
            "a discriminator says, as a whole number, the side in pixels of what one logit sees",
            "set `self.receptive_field`: from the last layer to the first, "
            "field = (field - 1) * stride + kernel, beginning with 1",
        )


def its_logits_are_not_held_between_0_and_1(case: Case) -> None:
    network = built(case)
    # Weights moved either way move the logits past 0 and 1: no sigmoid holds them.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(50)
        farthest = logits(network(*pair())).abs().max().item()
    last = list(network.modules())[-1]
    if farthest <= 1 or isinstance(last, nn.Sigmoid):
        raise case.broken(
            "its logits stay between -1 and 1, however large its weights are",
            "logits are what a sigmoid is taken of, by the adversarial loss",
            "leave out the sigmoid or tanh at its end",
        )


def a_gradient_reaches_the_image_and_every_parameter(case: Case) -> None:
    network, (source, image) = built(case), pair()
    image.requires_grad_(True)
    logits(network(source, image)).square().mean().backward()
    if image.grad is None or not image.grad.any():
        raise case.broken(
            "no gradient reaches the image",
            "the generator learns through the discriminator",
            "look for `detach()`, `torch.no_grad()` or rounding in its `forward`",
        )
    learning = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    if idle := [name for name, p in learning if p.grad is None]:
        raise case.broken(
            f"no gradient reaches '{idle[0]}'",
            "a descent trains every parameter",
            "use the module in `forward`, or do not make it",
        )


def its_weights_come_from_the_seed(case: Case) -> None:
    weights_follow_the_seed(case, SOURCE, TARGET)


def comes_back_from_its_state(case: Case) -> None:
    network = built(case)
    torch.manual_seed(1)
    source, image = pair()
    other = case.build(SOURCE, TARGET)
    probe_state(case.component, network, other, source=source, image=image)


def takes_images_of_any_memory_format(case: Case) -> None:
    source, image = pair()
    check_channels_last(case.component, built(case).eval(), source=source, image=image)


def computes_in_bf16(case: Case) -> None:
    network = built(case)
    with torch.autocast("cpu", torch.bfloat16):
        check_finite(case.component, network, network(*pair()), *pair())


PROMISES = (
    gives_finite_logits_the_same_at_a_seed_and_changes_no_image,
    says_how_far_it_sees,
    its_logits_are_not_held_between_0_and_1,
    a_gradient_reaches_the_image_and_every_parameter,
    takes_images_of_any_memory_format,
    its_weights_come_from_the_seed,
    comes_back_from_its_state,
    computes_in_bf16,
)
