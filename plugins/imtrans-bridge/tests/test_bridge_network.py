"""The network: its sizes, how it begins, what it depends on."""

import pytest

pytest.importorskip("imtrans_bridge", reason="not installed: pip install -e plugins/imtrans-bridge")

import torch
from imtrans_bridge.network import SHAPES, TimeUNet


def network_of(size="tiny", source=5, target=3, drawn=True):
    """In the mode in which it translates; its last layers begin at 0, and are drawn if asked."""
    torch.manual_seed(0)
    network = TimeUNet(source, target, size, 0.1).eval()
    for weights in network.parameters() if drawn else ():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.05)
    return network


def given(count, height, width):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 5, height, width, generator=generator), torch.linspace(-1.7, 0, count)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("columns", [1, 2, 5])
def test_any_multiple_of_its_stride_will_do(rows, columns):
    network = network_of()
    x, noise = given(2, rows * network.stride, columns * network.stride)
    with torch.no_grad():
        output = network(x, noise)
    assert output.shape == (2, 3, *x.shape[2:])
    assert output.isfinite().all()
    assert output.std() > 0.01


@pytest.mark.parametrize(
    "size",
    [each if each == "tiny" else pytest.param(each, marks=pytest.mark.thorough) for each in SHAPES],
)
def test_it_begins_with_0_in_every_size(size):
    network = network_of(size, drawn=False)
    with torch.no_grad():
        assert not network(*given(1, network.stride, network.stride)).any()


def test_each_image_is_by_itself():
    network = network_of()
    x, noise = given(3, 16, 24)
    with torch.no_grad():
        together = network(x, noise)
        for number in range(3):
            alone = network(x[number : number + 1], noise[number : number + 1])
            torch.testing.assert_close(together[number : number + 1], alone, rtol=1e-4, atol=1e-5)


def test_each_pixel_is_seen_from_each_by_attention():
    """Also from where convolutions do not reach."""
    network = network_of()
    x, noise = given(1, 16, 256)
    x.requires_grad_()
    network(x, noise)[0, :, :, 0].sum().backward()
    assert x.grad[0, :, :, -1].abs().max() > 0


def test_the_time_changes_what_it_says_once_it_has_learned():
    network = network_of(drawn=False)
    descent = torch.optim.Adam(network.parameters(), 1e-3)
    x, noise = given(4, 16, 16)
    for _ in range(4):
        descent.zero_grad()
        (network(x, noise) - noise[:, None, None, None]).square().mean().backward()
        descent.step()
    with torch.no_grad():
        one, other, near = (network(x, torch.full((4,), t)) for t in (-1.7, 0.0, -1e-3))
    apart = (one - other).abs().mean()
    assert apart > 1e-4
    assert (near - other).abs().mean() < apart


def test_the_noisy_image_is_passed_on_by_a_share_of_the_time():
    network = network_of("tiny", 7, 3, drawn=False)
    x, noise = torch.rand(2, 7, 16, 16), torch.tensor([-1.0, 0.5])
    with torch.no_grad():
        network.gain.bias.copy_(torch.tensor([0.5, -1.0, 0.0]))
        share = torch.tensor([0.5, -1.0, 0.0])[None, :, None, None]
        torch.testing.assert_close(network(x, noise), share * x[:, :3])
        network.gain.weight.normal_()
        one, other = (network(x[:1], noise[n : n + 1]) / x[:1, :3] for n in (0, 1))
        assert (one - one[:, :, :1, :1]).abs().max() < 1e-4  # the same for every pixel
        assert (one - other).abs().max() > 1e-2


@pytest.mark.parametrize(("source", "target"), [(4, 3), (1, 1), (14, 2)])
def test_source_and_target_may_differ_in_channels(source, target):
    network = network_of("tiny", source, target)
    side = network.stride
    assert network(torch.rand(1, source, side, side), torch.zeros(1)).shape == (
        1,
        target,
        side,
        side,
    )
