"""Several images at once: each becomes what it would alone, whatever the network does."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from imtrans.data.encoding import Direct
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.translation import together
from imtrans.translation.network.modes import translating
from imtrans.translation.network.noise import Noise, with_seeded_dropout
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")


def images(count, height=64, width=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator) * 2 - 1


def translator(module, **options):
    return Translator(module, Direct(DataTable(root="x")), device=CPU, **options)


def alone(translating_with, sources):
    return torch.cat([translating_with.output(source) for source in sources.split(1)])


class Recorded(nn.Module):
    """Brightens, and remembers how many images it was given each time."""

    stride = 1

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, source):
        self.given.append(len(source))
        return self.made(source)

    def made(self, source):
        return source * 0.5


class Mixing(Recorded):
    """What is beside an image changes it as soon as the gate is open."""

    def __init__(self, gate=1.0):
        super().__init__()
        self.gate = gate

    def made(self, source):
        return source - self.gate * source.mean(dim=0, keepdim=True)


class Following(Recorded):
    """Each image but the first is moved by the one before it."""

    def made(self, source):
        before = source.roll(1, 0) if len(source) > 1 else torch.zeros_like(source)
        before[:1] = 0
        return source * 0.5 + before * 0.1


class Counting(Recorded):
    """Shares one brightness among however many images there are."""

    def made(self, source):
        return source / len(source)


class OnlyOne(Recorded):
    def made(self, source):
        return source.view(1, 3, *source.shape[-2:])


class Unsaid(Recorded):
    """Draws random numbers and does not say so."""

    def made(self, source):
        return source * 0.5 + torch.rand(len(source), 1, 1, 1) * 0.1


class Small(Recorded):
    """Has memory for one image."""

    def made(self, source):
        if len(source) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return source * 0.5

    room = 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("statistics", ["image", "running"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("name", ["unet_128", "resnet_6"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_several_images_become_what_each_does_alone(name, norm, statistics, precision, layout):
    torch.manual_seed(0)
    network = catalog().generators[name].build(3, 3, width=4, norm=norm).to(memory_format=layout)
    network(images(2, 128, 128, seed=1))  # running statistics of something
    with_it = translator(network, precision=precision)
    sources = images(3, 70, 91)  # which are padded
    sources[1] *= 0.2
    with translating(network, statistics=statistics):
        together_, apart = with_it.output(sources), alone(with_it, sources)
    assert together_.shape == apart.shape == (3, 3, 70, 91)
    if precision == "fp32":
        torch.testing.assert_close(together_, apart, rtol=0, atol=2e-5)
    else:
        assert float((together_ - apart).abs().mean()) < 0.01


def test_several_images_at_once_leave_no_trace_in_the_network():
    network = catalog().generators["resnet_6"].build(3, 3, width=4)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random = torch.get_rng_state()
    with translating(network):
        Together(translator(network)).output_at(images(4), 64, 64)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_batch_norm_outside_of_it_is_as_ever():
    norm, batch = nn.BatchNorm2d(3), images(4)
    expected = nn.functional.batch_norm(batch, None, None, training=True)
    translator(Recorded()).output(batch)
    torch.testing.assert_close(norm(batch), expected)


def test_images_go_together_in_batches():
    module = Recorded()
    sources = images(4, 40, 50)
    made = Together(translator(module)).output_at(sources, 80, 100)
    assert module.given[-1] == 4
    assert made.shape == (4, 3, 80, 100)
    torch.testing.assert_close(made[2:3], translator(module).output_at(sources[2:3], 80, 100))


@pytest.mark.parametrize("kind", [Mixing, Following, Counting, OnlyOne])
def test_a_network_that_mixes_images_gets_one_at_a_time(kind):
    module, sources = kind(), images(4)
    found = Together(translator(module))
    made = found.output_at(sources, 64, 64)
    assert torch.equal(made, alone(translator(module), sources))
    module.given.clear()
    found.weights_changed()
    found.output_at(sources, 64, 64)
    assert module.given == [1] * 4  # and is not tried again


def test_a_gate_that_opens_in_training_is_noticed():
    module, sources = Mixing(gate=0.0), images(4)
    found = Together(translator(module))
    for gate, expected in ((0.0, 4), (1.0, 1)):
        module.gate = gate
        found.weights_changed()
        found.output_at(sources, 64, 64)
        assert module.given[-1] == expected


def test_trying_is_rare():
    module = Recorded()
    found = Together(translator(module))
    for _ in range(20):
        found.weights_changed()
        found.output_at(images(4), 64, 64)
    tries = 1 + 1 + 1 + 1 + 1  # at 1, 2, 4, 8, 16
    assert len(module.given) == 20 + 3 * tries


def test_random_numbers_are_drawn_as_for_one_image_after_the_other():
    module, sources = Unsaid(), images(4)
    torch.manual_seed(3)
    expected = alone(translator(module), sources)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    assert torch.equal(Together(translator(module)).output_at(sources, 64, 64), expected)
    assert torch.equal(state, torch.get_rng_state())


def test_what_draws_or_is_seeded_gets_one_image_at_a_time():
    sampler = Unsaid()
    sampler.draws = True
    sources = images(1).repeat(3, 1, 1, 1)
    made = translator(sampler).output(sources)
    assert sampler.given == [1, 1, 1]
    assert torch.equal(made[0], made[2])
    noise, network = Noise(), nn.Sequential(nn.Dropout(0.5))
    network.stride = 1
    with_seeded_dropout(network, noise)
    made = translator(network, seed=1, noise=noise).output(sources)
    assert torch.equal(made[0], made[2])


class Unlike(_BatchNorm):
    """A batch norm that computes by itself."""

    def _check_input_dim(self, input):
        pass

    def forward(self, input):
        return (input - input.mean((0, 2, 3), keepdim=True)) * self.weight[:, None, None]


def test_an_unknown_batch_norm_gets_one_image_at_a_time():
    network = nn.Sequential(Unlike(3))
    network.stride = 1
    sources = images(3)
    assert torch.equal(translator(network).output(sources), alone(translator(network), sources))


def test_where_memory_runs_out_batches_are_halved_and_stay_so():
    module = Small()
    found = Together(translator(module))
    found._mixes = False
    assert found._bytes_per_pixel
    module.given.clear()
    sources = images(4)
    assert torch.equal(found.output_at(sources, 64, 64), sources * 0.5)
    assert module.given == [4, 2, 1, 1, 1, 1]
    module.given.clear()
    found.output_at(sources, 64, 64)
    assert module.given == [1, 1, 1, 1]
    module.room = 0
    with pytest.raises(torch.OutOfMemoryError):
        found.output_at(sources, 64, 64)


def test_another_error_is_raised(monkeypatch):
    module = Recorded()
    found = Together(translator(module))
    found._mixes = False
    monkeypatch.setattr(module, "made", lambda source: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found.output_at(images(2), 64, 64)


@pytest.mark.parametrize(
    ("free", "given"), [(None, [1] * 4), (10_000, [1] * 4), (2**40, [4]), ("two", [2, 2])]
)
def test_a_batch_takes_no_more_than_half_of_what_is_free(monkeypatch, free, given):
    module = Recorded()
    found = Together(translator(module))
    found._mixes = False
    assert found._bytes_per_pixel
    if free == "two":
        free = 2.5 * 64 * 64 * found._bytes_per_pixel * together.SPARE / together.SHARE
    monkeypatch.setattr(together, "free_memory", lambda device: free)
    module.given.clear()
    found.output_at(images(4), 64, 64)
    assert module.given == given


class Heavy(Recorded):
    """Takes many bytes for each pixel."""

    def __init__(self, weights):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(weights))

    def made(self, source):
        return source.repeat(1, 500, 1, 1)[:, :3]


@pytest.mark.parametrize(("weights", "given"), [(1, [1] * 4), (2**24, [2, 2])])
def test_a_batch_takes_no_more_memory_than_the_weights(weights, given):
    module = Heavy(weights)
    found = Together(translator(module))
    found._mixes = False
    assert found._bytes_per_pixel > 500 * 3 * 4
    module.given.clear()
    found.output_at(images(4), 64, 64)
    assert module.given == given


def test_a_batch_has_a_limit_that_counts_what_is_padded_and_what_is_enlarged():
    module = Recorded()
    found = Together(translator(module))
    size = torch.Size((3, 256, 256))
    assert found.most(size, size) == together.PIXELS["cpu"] // 256**2
    assert found.most(torch.Size((3, 64, 64)), size) == together.PIXELS["cpu"] // 256**2
    assert found.most(torch.Size((3, 2000, 2000)), size) == 1
    assert found.most(torch.Size((3, 64, 64)), torch.Size((3, 64, 64))) == together.IMAGES["cpu"]
    module.stride = 256
    tiny = torch.Size((3, 10, 10))
    assert found.most(tiny, tiny) == together.PIXELS["cpu"] // 256**2
