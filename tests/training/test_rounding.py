"""What bf16 does to a gradient, without a bf16 kernel."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from imtrans.training.step.rounding import Rounded, rounded

AUTOCAST = torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize("draw", [1, 2, 7])
def test_rounding_is_to_a_neighbour_and_right_on_average(draw):
    values = torch.randn(1 << 18, generator=torch.Generator().manual_seed(0))
    error = (rounded(values, draw).float() - values) / values.abs()
    assert error.abs().max() < 2**-7
    assert error.mean().abs() < 2e-5
    share_up = (rounded(torch.linspace(1 + 2**-9, 1 + 2**-9 + 1e-4, 1000), draw) > 1).float().mean()
    assert 0.2 < share_up < 0.3  # a quarter of the way from 1 to the next number, 1 + 2^-7


@pytest.mark.parametrize("draw", [0, 1])
def test_what_is_bf16_already_stays(draw):
    values = torch.tensor([0.0, -2.5, 1.0, float("inf"), float("nan")])
    assert torch.equal(rounded(values, draw).float().nan_to_num(9.0), values.nan_to_num(9.0))


def gradients(network, *inputs):
    network.zero_grad()
    with AUTOCAST:
        output = network(*inputs)
    output.float().square().sum().backward()
    return [output.detach().float(), *(p.grad.clone() for p in network.parameters())]


class Attention(nn.Module):
    """Nothing that could be recognised by its class: matrix products and functions."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 8, 3, 3) / 8)

    def forward(self, image):
        image = F.conv2d(image, self.kernel, padding=1).relu_()
        tokens = image.flatten(2).transpose(1, 2)
        mixed = torch.softmax(tokens @ tokens.transpose(1, 2) / 8, dim=-1) @ tokens
        return image.mean((2, 3)) + F.scaled_dot_product_attention(mixed, tokens, tokens).mean(1)


def network(kind):
    torch.manual_seed(0)
    if kind == "attention":
        return Attention()
    return nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3))


def distance(parts, exact):
    return sum(float((a - b).square().sum()) for a, b in zip(parts, exact, strict=True)) ** 0.5


@pytest.mark.parametrize("kind", ["layers", "attention"])
@pytest.mark.parametrize("draw", [0, 1])
def test_the_rounding_is_of_the_size_of_bf16(kind, draw):
    image = torch.randn(2, 8, 12, 12, generator=torch.Generator().manual_seed(1))
    tried = network(kind)
    own = gradients(tried, image)
    with Rounded(draw):
        found = gradients(tried, image)
    tried.double()
    with torch.autocast("cpu", enabled=False):
        output = tried(image.double())
    tried.zero_grad()
    output.square().sum().backward()
    exact = [output.detach(), *(p.grad for p in tried.parameters())]
    whole = [
        torch.cat([part.flatten().double() for part in parts]) for parts in (own, found, exact)
    ]
    apart, expected = (float((part - whole[2]).norm()) for part in (whole[1], whole[0]))
    assert 0.5 < apart / expected < 3


def test_one_layer_rounds_to_the_very_bits():
    layer, image = nn.Linear(16, 8), torch.randn(4, 16)
    own = gradients(layer, image)
    with Rounded():
        found = gradients(layer, image)
    for one, other in zip(own, found, strict=True):
        torch.testing.assert_close(one, other, rtol=2**-7, atol=1e-5)
        assert (one == other).float().mean() > 0.9


class Types(TorchDispatchMode):
    """The types that convolutions and norms are really computed in."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "conv" in str(func) or "norm" in str(func):
            self.seen += [a.dtype for a in args if isinstance(a, torch.Tensor) and not a.is_meta]
        return func(*args, **(kwargs or {}))


def test_bf16_kernels_take_no_part():
    tried, image = network("layers"), torch.randn(1, 8, 12, 12)
    with Types() as computed:
        gradients(tried, image)
    assert torch.bfloat16 in computed.seen
    with Types() as computed, Rounded():
        gradients(tried, image)
    assert set(computed.seen) == {torch.float32}


def test_no_random_state_is_used_and_nothing_is_left_behind():
    image, tried = torch.randn(1, 8, 12, 12), network("layers")
    before, state = gradients(tried, image), torch.get_rng_state()
    with Rounded(3):
        changed = gradients(tried, image)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(before[0], changed[0])
    with Rounded(3):
        again = gradients(tried, image)
    assert all(torch.equal(a, b) for a, b in zip(changed, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before, gradients(tried, image), strict=True))


def test_too_little_memory_is_not_taken_for_a_missing_kernel():
    def convolution(image):
        raise torch.OutOfMemoryError("out of memory")

    convolution.is_view = False
    convolution._schema = torch.ops.aten.relu.default._schema
    with pytest.raises(torch.OutOfMemoryError):
        Rounded().__torch_dispatch__(convolution, (), (torch.zeros(2, dtype=torch.bfloat16),))


def test_what_only_bf16_can_compute_is_left_to_it():
    def flash(image):
        if image.dtype is not torch.bfloat16:
            raise RuntimeError("no kernel for float")
        return image + 1

    flash.is_view = False
    flash._schema = torch.ops.aten.relu.default._schema
    result = Rounded().__torch_dispatch__(flash, (), (torch.ones(2, dtype=torch.bfloat16),))
    assert result.dtype is torch.bfloat16
