"""What a generator promises."""

import torch
from torch import Tensor, nn

from imtrans.contracts.networks import check_finite, probe_generator, stride_of
from imtrans.contracts.sizes import smallest_side
from imtrans.contracts.states import check_channels_last, probe_state
from imtrans.testing.case import Case, NotChecked
from imtrans.testing.drawn_weights import weights_follow_the_seed

IN, OUT = 3, 2
GAINS = (1, 3, 10)  # each on top of the others: first weights make outputs near 0


def built(case: Case) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = case.build(IN, OUT)
    stride_of(case.component, network)
    return network


def sources(network: nn.Module, count: int = 2) -> Tensor:
    """Images that are not square, at the smallest sizes."""
    stride = int(network.stride)  # type: ignore[arg-type]  # checked when it was built
    side = smallest_side(stride)
    return torch.rand(count, IN, side, side + stride) * 2 - 1


def makes_finite_images_of_the_size_of_its_source(case: Case) -> None:
    probe_generator(case.component, built(case), IN, OUT)


def stir(network: nn.Module, gain: float = 1.0) -> None:
    """Move all weights, also those that begin at 0, and make them larger."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter)).mul_(gain)


def stays_in_range(case: Case) -> None:
    network = built(case)
    image = sources(network)
    for gain in GAINS:
        stir(network, gain)
        with torch.no_grad():
            seen = torch.cat([network(image).flatten(), network(-image).flatten()])
        seen = seen[~seen.isnan()]  # of weights too large to compute with
        if len(seen):
            _check_range(case, seen.min().item(), seen.max().item())


def _check_range(case: Case, low: float, high: float) -> None:
    found = (
        f"with weights larger than its first ones its output reaches from {low:.3g} to {high:.3g}"
    )
    contract = "a generator makes images in [-1, 1], whatever its weights are"
    if low < -1 or high > 1:
        raise case.broken(found, contract, "end with `torch.tanh`")
    if low >= 0 and high > 0:
        raise case.broken(
            f"{found}: it is nowhere below 0",
            contract,
            "end with `torch.tanh`, not with a sigmoid: black is -1",
        )


def trains_on_a_single_image_of_its_smallest_size(case: Case) -> None:
    network = built(case).train()
    side = smallest_side(stride_of(case.component, network))
    image = torch.rand(1, IN, side, side)
    check_finite(case.component, network, network(image), image)


def a_gradient_reaches_every_weight(case: Case) -> None:
    network = built(case)
    stir(network)  # behind a layer that begins at 0 there would be no gradient
    network(sources(network)).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.requires_grad and _is_idle(name, p)]
    if idle:
        raise case.broken(
            f"no gradient reaches '{idle[0]}'"
            + (f" and {len(idle) - 1} other weights" if idle[1:] else ""),
            "a descent trains every weight of a generator",
            "use it in `forward`, without `detach()` or `.data` behind it, or do not make it",
        )


def _is_idle(name: str, parameter: nn.Parameter) -> bool:
    """A bias before a norm that subtracts the mean has a gradient of 0, which is as it should be,
    and so has what begins at 0 and is multiplied by it; of what is not used there is none."""
    if parameter.grad is None:
        return True
    return name.endswith("weight") and not bool(parameter.grad.any())


def takes_images_of_any_memory_format(case: Case) -> None:
    network = built(case).eval()
    image = sources(network)
    check_channels_last(case.component, network, source=image)


def its_weights_come_from_the_seed(case: Case) -> None:
    weights_follow_the_seed(case, IN, OUT)


def comes_back_from_its_state(case: Case) -> None:
    network = built(case)
    torch.manual_seed(1)
    probe_state(case.component, network, case.build(IN, OUT), source=sources(network))


def computes_in_bf16(case: Case) -> None:
    network = built(case)
    image = sources(network)
    with torch.autocast("cpu", torch.bfloat16):
        check_finite(case.component, network, network(image).float(), image)


def a_wrong_size_is_a_ValueError_with_the_sizes_that_fit(case: Case) -> None:
    network = built(case)
    stride = stride_of(case.component, network)
    if stride == 1:
        raise NotChecked("takes any size")
    rows = stride * 2
    right = f"{rows} x {rows} or {stride * 3} x {rows}"
    found = "it took such an image"
    try:
        network(torch.rand(1, IN, rows, rows + 1))
    except ValueError as error:
        if right in str(error):
            return
        found = f"it raised ValueError: {error}"
    except Exception as error:  # a third party's code
        found = f"it raised {type(error).__name__}: {error}"
    raise case.broken(
        f"its stride is {stride}, and given {rows + 1} x {rows} px {found}",
        f"any other size raises ValueError with the nearest that fit, here '{right}'",
        "begin `forward` with `imtrans.api.layers.check_multiple(source, self.stride)`",
    )


PROMISES = (
    makes_finite_images_of_the_size_of_its_source,
    stays_in_range,
    trains_on_a_single_image_of_its_smallest_size,
    a_gradient_reaches_every_weight,
    takes_images_of_any_memory_format,
    its_weights_come_from_the_seed,
    comes_back_from_its_state,
    computes_in_bf16,
    a_wrong_size_is_a_ValueError_with_the_sizes_that_fit,
)
