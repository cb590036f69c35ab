"""What a generator promises."""

import torch
from torch import Tensor, nn

from imtrans.contracts.networks import check_finite, probe_generator, stride_of
from imtrans.contracts.sizes import smallest_side
from imtrans.testing.case import Case, NotChecked
from imtrans.testing.drawn_weights import weights_follow_the_seed

IN, OUT = 3, 2


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


def stays_in_range(case: Case) -> None:
    network = built(case)
    output = network(sources(network))
    low, high = output.min().item(), output.max().item()
    if low < -1 or high > 1:
        raise case.broken(
            f"its output reaches from {low:.3g} to {high:.3g}",
            "a generator makes images in [-1, 1]",
            "end with `torch.tanh`",
        )


def trains_on_a_single_image_of_its_smallest_size(case: Case) -> None:
    network = built(case).train()
    side = smallest_side(stride_of(case.component, network))
    image = torch.rand(1, IN, side, side)
    check_finite(case.component, network, network(image), image)


def a_gradient_reaches_every_weight(case: Case) -> None:
    network = built(case)
    network(sources(network)).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias before a norm that subtracts the mean has no effect, which is as it should be.
    if idle := [name for name in idle if name.endswith("weight")]:
        raise case.broken(
            f"no gradient reaches '{idle[0]}'"
            + (f" and {len(idle) - 1} other weights" if idle[1:] else ""),
            "a descent trains every weight of a generator",
            "use the module in `forward`, without `detach()` or `.data` behind it, or do not make "
            "it",
        )


def its_weights_come_from_the_seed(case: Case) -> None:
    weights_follow_the_seed(case, IN, OUT)


def comes_back_from_its_state(case: Case) -> None:
    one, other = (built(case).eval() for _ in range(2))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(one.state_dict())
    image = sources(one)
    with torch.no_grad():
        if not torch.equal(one(image), other(image)):
            raise case.broken(
                "with the weights of another of its kind it makes another image",
                "a checkpoint holds `state_dict()`: all that the output depends on",
                "keep tensors as parameters or in `register_buffer`, not as plain attributes",
            )


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
    its_weights_come_from_the_seed,
    comes_back_from_its_state,
    computes_in_bf16,
    a_wrong_size_is_a_ValueError_with_the_sizes_that_fit,
)
