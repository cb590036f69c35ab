"""Gradients that rounding explains, and faults planted in each layer, which it does not."""

import re
from dataclasses import dataclass
from functools import cache, cached_property

import pytest
import torch
from torch import nn

import imtrans.api.layers
from imtrans.components.discriminators.patchgan import PatchGAN
from imtrans.components.generators.resnet import ResNet
from imtrans.components.generators.unet import UNet
from imtrans.data.drawn.pairs import draw_pair
from imtrans.data.pixels import images
from imtrans.training.step.agreement import DRAWS, Agreement, Change
from imtrans.training.step.rounding import Rounded

ENGINES = ["fp32", "bf16"]


@dataclass
class Trial:
    """A small pix2pix in its first step on the quickstart's pairs."""

    generator: nn.Module
    discriminator: nn.Module
    number: int
    size: int

    def gradients(self, layout=torch.contiguous_format, precision="fp32"):
        source, target = self.pairs(layout)
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        for network in networks.values():
            network.to(memory_format=layout).train()
        low = precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=low, cache_enabled=False):
            fake = self.generator(source)
            real, made = (self.discriminator(source, i) for i in (target, fake.detach()))
        loss = nn.functional.softplus
        d = (loss(-real.float()).mean() + loss(made.float()).mean()) / 2
        found = {"discriminator": by_name(self.discriminator, d)}
        with torch.autocast("cpu", torch.bfloat16, enabled=low, cache_enabled=False):
            logits = self.discriminator(source, fake)
        terms = {
            "generator/g": loss(-logits.float()).mean(),
            "generator/l1": 100 * (fake.float() - target).abs().mean(),
        }
        return {name: by_name(self.generator, term) for name, term in terms.items()} | found

    def fast(self, precision):
        return self.gradients(torch.channels_last, precision)

    def pairs(self, layout):
        rows = [
            [images.to_tensor(i) for i in draw_pair(seed, self.size)] for seed in range(self.number)
        ]
        sides = (torch.stack(side) for side in zip(*rows, strict=True))
        return [(side / 127.5 - 1).contiguous(memory_format=layout) for side in sides]

    @cached_property
    def agreement(self):
        agreement = Agreement(self.gradients(), self.roundings())
        while agreement.learn():
            pass
        return agreement

    def roundings(self):
        for draw in DRAWS:
            with Rounded(draw):
                found = self.gradients(precision="bf16")
            yield found


def by_name(network, loss):
    names, parameters = zip(*network.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True))


@cache
def trial(kind, norm="batch", seed=0, number=1):
    sizes = {"unet": 128, "resnet": 64}
    torch.manual_seed(seed)
    generator = {
        "unet": lambda: UNet(3, 3, depth=7, skips=True, width=8, norm=norm, dropout=0),
        "resnet": lambda: ResNet(3, 3, blocks=2, width=8, norm=norm, dropout=0),
    }[kind]()
    return Trial(generator, PatchGAN(3, 3, layers=2, width=8, norm=norm), number, sizes[kind])


@pytest.mark.parametrize(
    ("kind", "norm", "seed", "number"),
    [
        ("unet", "batch", 0, 1),
        pytest.param("unet", "batch", 1, 1, marks=pytest.mark.soak),
        pytest.param("unet", "instance", 0, 1, marks=pytest.mark.thorough),
        pytest.param("unet", "none", 0, 2, marks=pytest.mark.soak),
        pytest.param("resnet", "instance", 1, 2, marks=pytest.mark.soak),
    ],
)
def test_what_rounding_does_is_no_fault(kind, norm, seed, number):
    tried = trial(kind, norm, seed, number)
    agreement = tried.agreement
    for precision in ENGINES:
        assert agreement.disagreement(tried.fast(precision), precision) is None


FAULTS = {
    "opposite": lambda gradient: -gradient,
    "dropped": torch.zeros_like,
    "doubled": lambda gradient: 2 * gradient,
    "transposed": lambda gradient: gradient.transpose(2, 3) if gradient.dim() == 4 else None,
    "shifted": lambda gradient: (
        nn.functional.pad(gradient, (1, -1)) if gradient.dim() == 4 else None
    ),
}


@pytest.mark.parametrize(
    ("kind", "norm", "precision"),
    [
        ("unet", "batch", "bf16"),
        pytest.param("resnet", "instance", "fp32", marks=pytest.mark.thorough),
        pytest.param("unet", "batch", "fp32", marks=pytest.mark.thorough),
        pytest.param("resnet", "instance", "bf16", marks=pytest.mark.thorough),
    ],
)
def test_a_fault_in_any_layer_is_noticed(kind, norm, precision):
    tried = trial(kind, norm)
    agreement, found = tried.agreement, tried.fast(precision)
    planted = 0
    for phase, rows in found.items():
        norms = {p.name: (p.norm, p.yardstick) for p in agreement.phases[phase]}
        for name, gradient in rows.items():
            if norms[name][1] > norms[name][0]:
                continue  # a bias before a norm: its gradient is zero, but for rounding
            for fault, plant in FAULTS.items():
                if gradient.dim() < 4 and fault in ("transposed", "shifted"):
                    continue
                planted += 1
                faulty = rows | {name: plant(gradient)}
                line = agreement.disagreement(found | {phase: faulty}, precision)
                assert line is not None, (phase, name, fault)
                assert str(line).startswith(f"the gradient of {phase}.{name} differs")
    assert planted > 70


@pytest.mark.parametrize("precision", ENGINES)
def test_the_wrong_gradient_of_instance_norm_is_noticed(precision, monkeypatch):
    tried = trial("resnet", "instance")
    agreement = tried.agreement
    monkeypatch.setattr(imtrans.api.layers.InstanceNorm, "forward", nn.InstanceNorm2d.forward)
    line = agreement.disagreement(tried.fast(precision), precision)
    assert "differs from the reference engine's" in str(line)


@pytest.mark.parametrize("precision", ENGINES)
def test_a_fault_in_what_the_discriminator_tells_the_generator_is_noticed(precision):
    """It does not show in the sum of both terms, of which L1 is nearly all."""
    tried = trial("unet")
    agreement = tried.agreement

    def plant(layer, inputs):
        if not inputs[0].requires_grad:
            return None
        image = inputs[0].clone()
        image.register_hook(torch.neg)
        return (image,)

    hook = tried.discriminator.trunk[0].register_forward_pre_hook(plant)
    try:
        found = tried.fast(precision)
    finally:
        hook.remove()
    assert "the gradient of generator/g." in str(agreement.disagreement(found, precision))


def exact(**rows):
    return {"generator": rows}


def learned(reference, *changes):
    roundings = [
        {phase: {n: g + change for n, g in rows.items()} for phase, rows in reference.items()}
        for change in changes
    ]
    return Agreement(reference, roundings)


def test_the_line_says_where_and_by_how_much():
    generator = torch.Generator().manual_seed(0)
    reference = exact(**{"up.weight": torch.randn(9, 9, generator=generator)})
    noise = 0.1 * torch.randn(9, 9, generator=generator)
    agreement = learned(reference, noise, -noise)
    line = agreement.disagreement(
        exact(**{"up.weight": reference["generator"]["up.weight"].T}), "bf16"
    )
    assert re.fullmatch(
        r"the gradient of generator\.up\.weight differs from the reference engine's "
        r"\(cosine -?0\.\d\d, length 1\.00; rounding to bf16 explains (0\.99|1\.00), \d\.\d\d\)",
        str(line),
    )


def test_only_roundings_that_are_needed_are_computed():
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(400, generator=generator)
    near, far = (size * torch.randn(400, generator=generator) for size in (0.001, 0.1))
    asked = []

    def roundings():
        for number in range(3):
            asked.append(number)
            yield exact(weight=reference + 0.09 * torch.randn(400, generator=generator))

    agreement = Agreement(exact(weight=reference), roundings())
    assert agreement.disagreement(exact(weight=reference + near), "bf16") is None
    assert asked == []
    assert agreement.disagreement(exact(weight=reference + far), "bf16") is None
    assert asked == [0]
    assert agreement.disagreement(exact(weight=reference + far), "bf16") is None
    assert asked == [0]
    assert agreement.disagreement(exact(weight=-reference), "bf16")
    assert asked == [0, 1, 2]


def test_what_is_nothing_beside_the_whole_gradient_needs_no_rounding():
    reference = exact(weight=torch.ones(40), bias=torch.full([4], 1e-7))
    residue = exact(weight=torch.ones(40), bias=torch.full([4], -3e-7))
    assert Agreement(reference).disagreement(residue, "fp32") is None
    felt = exact(weight=torch.ones(40), bias=torch.full([4], -1e-4))
    assert "generator.bias" in str(Agreement(reference).disagreement(felt, "fp32"))


def test_a_gradient_that_is_missing_is_zero():
    reference = exact(weight=torch.ones(40), unused=torch.zeros(40))
    agreement = learned(reference, torch.full([40], 0.01))
    assert agreement.disagreement(exact(weight=torch.ones(40)), "bf16") is None
    line = agreement.disagreement(exact(unused=torch.zeros(40)), "bf16")
    assert str(line).startswith("the gradient of generator.weight differs")
    more = {"weight": torch.ones(40), "frozen": torch.zeros(40)}
    assert agreement.disagreement(exact(**more), "bf16") is None
    line = agreement.disagreement(exact(**more | {"frozen": torch.ones(40)}), "bf16")
    assert str(line) == "generator.frozen has a gradient, but none with the reference engine"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("precision", ENGINES)
def test_what_is_not_finite_never_agrees(value, precision):
    good, bad = exact(weight=torch.ones(40)), exact(weight=torch.full([40], value))
    assert learned(good, torch.full([40], 0.01)).disagreement(bad, precision)
    assert learned(bad, torch.full([40], 0.01)).disagreement(bad, precision)
    ruined = learned(good, torch.full([40], value))
    assert ruined.disagreement(good, "fp32") is None
    near = exact(weight=torch.full([40], 1.1))
    assert "rounding to bf16 ruins" in str(ruined.disagreement(near, "bf16"))


def test_a_precision_that_leaves_nothing_of_the_gradient_is_refused():
    generator = torch.Generator().manual_seed(0)
    reference = exact(weight=torch.randn(400, generator=generator))
    agreement = learned(reference, 5 * torch.randn(400, generator=generator))
    line = agreement.disagreement(exact(weight=-reference["generator"]["weight"]), "bf16")
    assert re.fullmatch(
        r"rounding to bf16 ruins the gradient of the generator \(cosine -?0.\d+\)", str(line)
    )
    assert line.short.startswith("gradient agreement ")
    assert agreement.disagreement(reference, "fp32") is None


def test_a_change_that_all_layers_share_is_no_fault_of_one():
    generator = torch.Generator().manual_seed(0)
    names = [f"layer{number}" for number in range(9)]
    reference = exact(**{name: torch.randn(900, generator=generator) for name in names})
    noise = 0.3 * torch.randn(900, generator=generator)
    agreement = learned(reference, noise)
    rows = reference["generator"]
    shared = exact(**{name: row + 1.6 * noise.roll(7) for name, row in rows.items()})
    assert agreement.disagreement(shared, "bf16") is None
    alone = exact(**rows | {"layer4": shared["generator"]["layer4"]})
    assert "generator.layer4" in str(agreement.disagreement(alone, "bf16"))


def test_the_cosine_and_the_length_of_a_changed_gradient():
    assert Change(0.0, 0.0).cosine_and_length(3.0) == (1.0, 1.0)
    assert Change(6.0, -6.0).cosine_and_length(3.0) == (-1.0, 1.0)
    assert Change(3.0, -3.0).cosine_and_length(3.0) == (0.0, 0.0)
    assert Change(4.0, 0.0).cosine_and_length(3.0) == pytest.approx((0.6, 5 / 3))
    assert Change(4.0, 0.0).cosine_and_length(0.0) == (0.0, float("inf"))
