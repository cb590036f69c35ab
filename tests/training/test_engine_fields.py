"""Each field of an engine computes the same step another way: against the step without it."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from steps import CPU, step_of
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imtrans.api.layers import BatchNorm2d
from imtrans.api.method import Batch
from imtrans.api.passes import passes
from imtrans.components.discriminators.patchgan import PatchGAN
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.training.step.engine import Engine, batch_norms
from imtrans.training.step.optimizer import FusedAdam
from imtrans.training.step.shadow_adam import ShadowAdam
from imtrans.training.step.shadows import Shadows
from imtrans.training.step.trial import gradients, tried_step

FAST32 = Engine("fast", CPU)
FAST16 = Engine("fast", CPU, "bf16")


@pytest.fixture
def unet(tiny_file):
    """With skip connections, batch norm everywhere, and without dropout's noise."""
    keys = ("generator.name=unet_128", "data.crop_size=128", "data.load_size=140")
    still = ("generator.dropout=0.0", "discriminator.name=patch_70", "train.batch_size=2")
    return recipes.read(tiny_file, [*keys, *still], catalog())


def batches(count, number=2, size=128):
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        source = torch.rand(number, 3, size, size, generator=generator) * 2 - 1
        yield Batch(source, source * 0.5)


def trained(recipe, engine, count=3):
    step = step_of(recipe, engine)
    return step, torch.stack([torch.stack(list(step(b).values())) for b in batches(count)])


def same_state(one, other):
    pairs = zip(one.method.state_dict().values(), other.method.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("engine", [FAST32, FAST16], ids=str)
def test_counters_that_are_added_at_once_count_the_same(unet, engine, monkeypatch):
    expected, losses = trained(unet, engine)
    calls = []
    add = torch._foreach_add_

    def counting(tensors, others, **keys):
        if isinstance(others, list) and isinstance(others[0], int):
            calls.append(len(tensors))
        add(tensors, others, **keys)

    monkeypatch.setattr(torch, "_foreach_add_", counting)
    found, others = trained(unet, replace(engine, counted=True))
    assert torch.equal(losses, others)
    assert same_state(expected, found)
    norms = batch_norms(found.method)
    assert calls == [len(norms)] * 3  # once a step, for all of them
    assert {int(norm.num_batches_tracked) for norm in norms} == {3, 9}  # generator; discriminator


def test_a_norm_that_averages_over_all_batches_counts_by_itself(unet):
    step = step_of(unet, replace(FAST32, counted=True))
    norm = batch_norms(step.method)[0]
    norm.momentum = None
    for batch in batches(2):
        step(batch)
    assert int(norm.num_batches_tracked) == 2


def test_gradients_reach_batch_norms_in_their_own_layout(unet):
    """Where channels were concatenated, their gradients are slices."""

    def layouts(engine):
        """Of the gradients of what batch norm returns: whether they are in channels_last."""
        step, made = step_of(unet, engine), []
        forward, last = nn.functional.batch_norm, {"memory_format": torch.channels_last}

        def watched(*args, **keys):
            normed = forward(*args, **keys)
            normed.register_hook(lambda gradient: made.append(gradient.is_contiguous(**last)))
            return normed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nn.functional, "batch_norm", watched)
            losses = torch.stack(list(step(next(batches(1))).values()))
        return made, losses

    before, losses = layouts(FAST32)
    after, others = layouts(replace(FAST32, dense_gradients=True))
    assert not all(before)
    assert all(after)
    torch.testing.assert_close(losses, others, rtol=1e-6, atol=0)


# --- what a phase shows a network twice ---


def discriminator(norm, dtype=torch.float64):
    torch.manual_seed(4)
    return PatchGAN(3, 3, layers=3, width=8, norm=norm).to(dtype)


def shown(network, together):
    network.passes_together = together
    generator = torch.Generator().manual_seed(9)
    dtype = next(network.parameters()).dtype
    source, one, other = torch.randn(3, 2, 3, 64, 64, generator=generator).to(dtype)
    on_one, on_other = passes(network, (source, one), (source, other))
    (on_one.square().mean() + on_other.mean()).backward()
    return [on_one, on_other], [p.grad for p in network.parameters()]


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_halves_of_one_batch_are_two_passes(norm):
    twice, together = discriminator(norm), discriminator(norm)
    calls = []
    together.register_forward_hook(lambda *row: calls.append(row))
    logits, expected = shown(twice, False)
    others, found = shown(together, True)
    assert len(calls) == 1
    for one, other in zip(logits + expected, others + found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    for one, other in zip(twice.buffers(), together.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0)  # one after the other, too
    assert all(norm.parts == 1 for norm in batch_norms(together))


def test_a_batch_norm_that_cannot_keep_halves_apart_sees_two_passes():
    network = discriminator("batch")
    for name, module in list(network.trunk.named_children()):
        if isinstance(module, BatchNorm2d):
            setattr(network.trunk, name, nn.BatchNorm2d(module.num_features).double())
    calls = []
    network.register_forward_hook(lambda *row: calls.append(row))
    shown(network, True)
    assert len(calls) == 2


def test_a_step_with_halves_is_the_step(unet):
    expected, losses = trained(unet, FAST32)
    found, others = trained(unet, replace(FAST32, halved=True))
    torch.testing.assert_close(losses, others, rtol=1e-5, atol=1e-6)
    assert all(
        int(a) == int(b)
        for (name, a), b in zip(
            expected.method.state_dict().items(), found.method.state_dict().values(), strict=True
        )
        if name.endswith("num_batches_tracked")
    )


# --- bf16 copies of the weights ---


def uncached(engine):
    """Weights are cast at each use, as in a graph."""
    return replace(engine, graphed=True)


def test_copies_in_bf16_compute_what_autocast_does(unet):
    batch = next(batches(1))
    expected = gradients(step_of(unet, uncached(FAST16)), batch)
    step = step_of(unet, replace(uncached(FAST16), shadowed=True))
    found = gradients(step, batch)
    shadowed = [
        name for name, p in step.method.named_parameters() if step._shadows.of(p) is not None
    ]
    convolutions = [m for m in step.method.generator.modules() if "Conv" in type(m).__name__]
    generators = [name for name in shadowed if name.startswith("generator")]
    assert len(generators) == sum(len(list(m.parameters())) for m in convolutions)
    # Two passes: their gradients would be summed in bf16.
    assert not [name for name in shadowed if name.startswith("discriminator")]
    for phase, rows in expected.items():
        for name, gradient in rows.items():
            assert torch.equal(found[phase][name], gradient), name
            assert found[phase][name].stride() == gradient.stride()


def test_with_halves_the_discriminator_has_copies_too(unet):
    step = step_of(unet, replace(FAST16, shadowed=True, halved=True))
    step(next(batches(1)))
    assert step._shadows.of(step.method.discriminator.head.weight) is not None


def test_copies_follow_the_weights(unet):
    step = step_of(unet, replace(FAST16, shadowed=True, halved=True))
    for batch in batches(2):
        step(batch)
        for row in step._shadows._rows:
            assert torch.equal(row.shadow, row.weight.bfloat16())
            assert row.layer._parameters[row.name] is row.weight
    state = {name: value.clone() for name, value in step.optimizer_state().items()}
    with torch.no_grad():
        for parameter in step.method.parameters():
            parameter.mul_(1.5)
    step.load_optimizer_state(state)  # as a checkpoint is restored
    assert all(torch.equal(row.shadow, row.weight.bfloat16()) for row in step._shadows._rows)


def test_what_has_a_norm_bound_keeps_its_casts(unet):
    bound = unet.model_copy(update={"train": unet.train.model_copy(update={"clip_norm": 1.0})})
    step = step_of(bound, replace(FAST16, shadowed=True))
    expected, losses = trained(bound, FAST16)
    found, others = trained(bound, replace(FAST16, shadowed=True))
    assert not any(isinstance(adam, ShadowAdam) for adam in step.optimizers.values())
    assert torch.equal(losses, others)
    assert same_state(expected, found)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.convolution = nn.Conv2d(3, 5, 4)
        self.transposed = nn.ConvTranspose2d(6, 2, 4)
        self.linear = nn.Linear(7, 3)
        self.norm = nn.BatchNorm2d(5)
        self.unused = nn.Parameter(torch.ones(2, 3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in what torch's compiler imports
@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["eager", "compiled"]
)
def test_the_adam_of_copies_is_the_fused_one_on_the_same_gradients(compiled):
    one, other = (Layers().to(memory_format=torch.channels_last) for _ in range(2))
    rate, betas = 2e-4, (0.5, 0.999)
    fused = FusedAdam(dict(one.named_parameters()), rate, betas)
    adam = ShadowAdam(dict(other.named_parameters()), rate, betas, compiled=compiled)
    shadows = Shadows([other.convolution, other.transposed, other.linear])
    adam.shadow({id(p): shadows.of(p) for p in other.parameters()})
    generator = torch.Generator().manual_seed(1)
    for step in range(50):
        for each in (fused, adam):
            each.set_rate(rate / (1 + step // 10))
            each.forget_gradients()
        for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
            if name == "unused":
                continue
            gradient = torch.randn(p.shape, generator=generator).bfloat16()
            p.grad = gradient.float()
            shadow = shadows.of(q)
            if shadow is None:
                q.grad = p.grad.clone()
            else:
                shadow.grad = gradient
        fused.update()
        adam.update()
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-3 * rate)
    assert all(torch.equal(row.shadow, row.weight.bfloat16()) for row in shadows._rows)
    assert adam.state().keys() == fused.state().keys()
    fused.load_state(adam.state())  # either continues from the other


# --- compiled ---


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own tracing
@pytest.mark.parametrize("halved", [False, True])
def test_what_phases_compute_is_compiled_once_and_stays_the_same(unet, monkeypatch, halved):
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    engine = replace(FAST32, compiled="phases", halved=halved)
    expected, losses = trained(unet, FAST32)
    step = step_of(unet, engine)
    first, *rest = batches(3)
    rows = [torch.stack(list(step(first).values()))]
    with torch._dynamo.config.patch(error_on_recompile=True):
        rows += [torch.stack(list(step(batch).values())) for batch in rest]
    torch.testing.assert_close(torch.stack(rows), losses, rtol=1e-4, atol=1e-5)


# --- all together ---


def test_the_trial_drops_what_a_network_does_not_bear(unet):
    """A discriminator for which it matters where in a batch an image is."""

    class Placed(PatchGAN):
        def forward(self, source, image):
            place = torch.linspace(0, 1, len(source))[:, None, None, None]
            return super().forward(source, image) * place

    method = step_of(unet).method
    torch.manual_seed(0)
    method.discriminator = Placed(3, 3, layers=1, width=8, norm="instance")
    said = []
    engine = replace(FAST32, halved=True)
    step = tried_step(method, engine, unet.train, next(batches(1)), said.append)
    assert step.engine == FAST32
    (line,) = said
    assert line.startswith("note: the fastest form of the step computes other gradients")
    assert line.endswith("; training without it. Nothing to do.")


def test_an_engine_with_all_of_it_passes_the_trial(unet):
    said = []
    engine = replace(FAST16, counted=True, dense_gradients=True, halved=True, shadowed=True)
    method = step_of(unet).method
    before = {name: value.clone() for name, value in method.state_dict().items()}
    step = tried_step(method, engine, unet.train, next(batches(1)), said.append)
    assert (said, step.engine) == ([], engine)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert all(value.isfinite() for value in step(next(batches(1))).values())


# --- what a GPU could leave out, or do at another time ---


def test_an_average_is_torchs_own(unet):
    step = step_of(unet.model_copy(update={"train": unet.train.model_copy(update={"ema": 0.9})}))
    average = step.averages.modules["generator"]
    expected = AveragedModel(step.method.generator, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for batch in batches(5):
        step(batch)
        step.finish()
        expected.update_parameters(step.method.generator)
    found = average.state_dict()
    assert all(
        torch.equal(found[name], value) for name, value in expected.module.state_dict().items()
    )
    assert int(step.averages.updates["generator"]) == int(expected.n_averaged) == 5


def test_adam_in_groups_of_layers_is_one_adam():
    whole, parts = Layers(), Layers()
    named = dict(parts.named_parameters())
    one = FusedAdam(dict(whole.named_parameters()), 2e-4, (0.5, 0.999))
    groups = [
        FusedAdam(
            {name: p for name, p in named.items() if name.startswith(start)}, 2e-4, (0.5, 0.999)
        )
        for start in ("convolution", "transposed", "linear", "norm", "unused")
    ]
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        for p, q in zip(whole.parameters(), parts.parameters(), strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        for adam in (one, *groups):
            adam.update()
    assert all(
        torch.equal(p, q) for p, q in zip(whole.parameters(), parts.parameters(), strict=True)
    )


@pytest.mark.parametrize(("size", "dead"), [(128, 12), (256, 0)])
def test_at_the_networks_own_size_most_taps_of_the_innermost_layers_never_learn(unet, size, dead):
    """A 2 x 2 map has 4 of a kernel's 16 taps on it; the others are on its padding."""
    step = step_of(unet, FAST32)
    innermost = step.method.generator.encoder[-1][1], step.method.generator.decoder[0][1]
    before = [layer.weight.detach().clone() for layer in innermost]
    for batch in batches(2, number=1, size=size):
        step(batch)
    state = step.optimizer_state()
    names = {id(p): name for name, p in step.method.named_parameters()}
    for layer, old in zip(innermost, before, strict=True):
        still = (layer.weight == old).all(dim=0).all(dim=0)
        assert int(still.sum()) == dead
        for moment in ("exp_avg", "exp_avg_sq"):
            value = state[f"generator/{names[id(layer.weight)]}/{moment}"]
            assert bool((value[:, :, still] == 0).all())
