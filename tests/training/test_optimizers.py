"""Adam in one kernel, against torch's own loop: updates, states, layouts in memory."""

import pytest
import torch
from torch import nn

from imtrans.training.step.optimizer import FusedAdam, LoopAdam, is_dense


class Layers(nn.Module):
    """Weights of every shape that networks have."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 5, 4)
        self.to_one = nn.Conv2d(5, 1, 3)
        self.pointwise = nn.Conv2d(4, 6, 1)
        self.transposed = nn.ConvTranspose2d(6, 2, 4)
        self.norm = nn.BatchNorm2d(5)
        self.linear = nn.Linear(7, 3)
        self.unused = nn.Parameter(torch.ones(2, 3))
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)


def descend(adam, network, seed):
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for n, p in network.named_parameters() if n not in ("unused", "frozen")]
    loss = sum((p * torch.randn(p.shape, generator=generator)).sum() for p in parameters)
    adam.descend(loss)


def layers(format):
    return Layers().to(memory_format=format)


def adam_of(kind, network, rate=1e-3):
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    return kind(trained, rate, (0.5, 0.999))


@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_fused_adam_updates_as_the_loop_does(format):
    expected, network = layers(torch.contiguous_format), layers(format)
    loop, fused = adam_of(LoopAdam, expected, 2e-4), adam_of(FusedAdam, network, 2e-4)
    for step in range(10):
        for adam, one in ((loop, expected), (fused, network)):
            adam.set_rate(2e-4 / (step + 1))
            descend(adam, one, step)
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=0, atol=1e-7)
    assert torch.equal(network.unused, torch.ones(2, 3))
    assert torch.equal(network.frozen, torch.ones(4))


def test_a_gradient_that_lies_otherwise_than_its_parameter_is_laid_out_anew():
    """torch's fused Adam applies a wrong update then, without a word."""
    expected, network = layers(torch.contiguous_format), layers(torch.channels_last)
    loop, fused = adam_of(LoopAdam, expected, 1e-2), adam_of(FusedAdam, network, 1e-2)

    def contiguous(parameter):
        parameter.grad = parameter.grad.contiguous()

    network.convolution.weight.register_post_accumulate_grad_hook(contiguous)
    for step in range(3):
        descend(loop, expected, step)
        descend(fused, network, step)
    moved = network.convolution.weight
    torch.testing.assert_close(moved, expected.convolution.weight, rtol=0, atol=1e-6)


def test_each_engine_continues_from_the_others_state():
    trained = layers(torch.channels_last)
    fused = adam_of(FusedAdam, trained)
    for step in range(4):
        descend(fused, trained, step)
    state = {name: value.clone() for name, value in fused.state().items()}
    assert state["convolution.weight/exp_avg"].shape == trained.convolution.weight.shape
    assert "unused/exp_avg" not in state
    other = layers(torch.contiguous_format)
    other.load_state_dict(trained.state_dict())
    loop = adam_of(LoopAdam, other)
    loop.load_state(state)
    back = layers(torch.channels_last)
    back.load_state_dict(trained.state_dict())
    again = adam_of(FusedAdam, back)
    again.load_state(loop.state())
    for adam, network in ((fused, trained), (loop, other), (again, back)):
        descend(adam, network, 9)
        for name, tensor in trained.state_dict().items():
            torch.testing.assert_close(network.state_dict()[name], tensor, rtol=0, atol=1e-7)
    for name, value in again.state().items():
        assert torch.equal(value, fused.state()[name])


@pytest.mark.parametrize("kind", [LoopAdam, FusedAdam])
def test_a_state_that_does_not_fit_is_refused(kind):
    network = layers(torch.contiguous_format)
    adam = adam_of(kind, network)
    descend(adam, network, 0)
    state = adam.state()
    with pytest.raises(KeyError, match="elsewhere"):
        adam.load_state(state | {"elsewhere/exp_avg": torch.zeros(1)})
    with pytest.raises(ValueError, match="'linear.weight/exp_avg' has another shape"):
        adam.load_state(state | {"linear.weight/exp_avg": torch.zeros(2)})
    del state["linear.weight/exp_avg_sq"]
    with pytest.raises(KeyError, match="exp_avg_sq"):
        adam.load_state(state)


def test_only_what_fills_its_memory_is_dense():
    assert is_dense(torch.zeros(2, 3, 4, 5))
    assert is_dense(torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last))
    assert is_dense(torch.zeros(3, 4).T)
    assert is_dense(torch.zeros(1, 4)[:, None])
    assert not is_dense(torch.zeros(3, 4)[:, :2])
    assert not is_dense(torch.zeros(3, 1).expand(3, 4))
