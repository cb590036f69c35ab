"""The step against equation 5 written out, and the stages from coarse to fine."""

import pytest

pytest.importorskip(
    "imtrans_pix2pixhd", reason="not installed: pip install -e plugins/imtrans-pix2pixhd"
)

import torch
from imtrans_pix2pixhd.stages import Stage, stage_of
from torch.nn.functional import avg_pool2d, interpolate

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.checking.recipe import check
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step
from imtrans.training.step.trial import tried_step

CPU = torch.device("cpu")
WHOLE = ("method.coarse_epochs=0", "method.fixed_epochs=0")


def step_of(task, engine=None):
    return Step(task.method(CPU), engine or plain(CPU), task.recipe.train)


def batch(count=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return Batch(*(torch.rand(2, count, 3, 32, 64, generator=generator) * 2 - 1))


def equation_5(method, batch, fake):
    """What the generator descends: of each scale the least squares of LSGAN, and the L1 distances
    of the features, weight 10, meaned over scales; and the recipe's l1."""
    on_fake, on_real = (method.discriminator(batch.source, image) for image in (fake, batch.target))
    game = sum(((logits - 1) ** 2).mean() for logits, _ in on_fake)
    features = sum(
        (one - other.detach()).abs().mean()
        for (_, ones), (_, others) in zip(on_fake, on_real, strict=True)
        for one, other in zip(ones, others, strict=True)
    ) / len(on_fake)
    return game, features, (fake - batch.target).abs().mean()


def test_the_step_is_that_of_equation_5(task_of):
    task, given = task_of(*WHOLE), batch()
    step, by_hand = step_of(task), task.method(CPU)
    losses = step(given)
    fake = by_hand.generator(given.source)
    game, features, l1 = equation_5(by_hand, given, fake)
    generator = torch.optim.Adam(by_hand.generator.parameters(), 2e-4, (0.5, 0.999))
    (game + 10 * features + l1).backward()
    generator.step()
    discriminator = torch.optim.Adam(by_hand.discriminator.parameters(), 2e-4, (0.5, 0.999))
    discriminator.zero_grad()
    pairs = zip(
        by_hand.discriminator(given.source, given.target),
        by_hand.discriminator(given.source, fake.detach()),
        strict=True,
    )
    d = sum(((1 - real) ** 2).mean() / 2 + (made**2).mean() / 2 for (real, _), (made, _) in pairs)
    d.backward()
    discriminator.step()
    expected = {"g": game, "features": features, "l1": l1, "d": d}
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value.detach(), rtol=1e-4, atol=1e-6, msg=name)
    found = step.method.state_dict()
    for name, tensor in by_hand.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize(
    ("coarse", "fixed", "expected"),
    [
        (0, 0, [(1, (0, 1))] * 4),
        (2, 1, [(0, (0,)), (0, (0,)), (1, (1,)), (1, (0, 1))]),
        (1, 0, [(0, (0,)), *[(1, (0, 1))] * 3]),
        (0, 2, [(1, (1,)), (1, (1,)), *[(1, (0, 1))] * 2]),
    ],
)
def test_epochs_have_stages(coarse, fixed, expected):
    assert [stage_of(epoch, 2, coarse, fixed) for epoch in (1, 2, 3, 4)] == [
        Stage(*each) for each in expected
    ]


def test_three_levels_are_trained_in_the_order_of_their_resolutions():
    found = [stage_of(epoch, 3, 1, 2) for epoch in range(1, 8)]
    assert [stage.level for stage in found] == [0, 1, 1, 2, 2, 2, 2]
    assert [stage.learning for stage in found][-3:] == [(2,), (0, 1, 2), (0, 1, 2)]


def moved(before, after):
    """Which parts of the generator have other weights."""
    return {
        ".".join(name.split(".")[: 3 if "enhancers" in name or "heads" in name else 2])
        for name, tensor in after.items()
        if not torch.equal(tensor, before[name]) and name != "level"
    }


def test_each_stage_trains_what_it_names_at_its_size_and_translates(task_of):
    step, given = step_of(task_of()), batch()
    generator = step.method.generator
    coarse = {"generator.coarse", "heads.0.1"}
    fine = {"generator.enhancers.0", "generator.head"}
    for epoch, size, expected in (
        (1, (16, 32), coarse),
        (2, (32, 64), fine),
        (3, (32, 64), fine | {"generator.coarse"}),
    ):
        assert step.begin_epoch(epoch) == (epoch > 1)
        before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
        made = step.make(given)
        assert {tuple(image.shape[2:]) for image in made} == {size}
        small = avg_pool2d(given.target, 2) if epoch == 1 else given.target
        assert torch.equal(made.target, small)
        step(given)
        assert moved(before, generator.state_dict()) == expected
        whole = generator(given.source)
        assert whole.shape == given.target.shape
        if epoch == 1:  # the coarse output, enlarged
            coarse_output = generator.output_of(0, made.source)
            large = interpolate(coarse_output, (32, 64), mode="bilinear", align_corners=False)
            assert torch.equal(whole, large)
        else:
            assert torch.equal(whole, generator.generator(given.source))


def test_stages_need_a_generator_that_has_them(task_of):
    with pytest.raises(ImtransError, match="choose generator.name = 'pix2pixhd', or set them to 0"):
        task_of("generator={name='pix2pixhd_global', width=2}").method(CPU)
    task_of("generator={name='resnet_6', width=2}", *WHOLE).method(CPU)


def test_a_discriminator_without_features_says_what_to_set(task_of):
    other = "discriminator={name='patch_16', width=2}"
    with pytest.raises(ImtransError, match="set discriminator.features = true"):
        task_of(other).method(CPU)
    task_of("discriminator={name='patch_16', width=2, features=true}").method(CPU)
    task_of(other, "method.feature_matching=0").method(CPU)


@pytest.mark.parametrize(
    ("engine", "changes"),
    [
        pytest.param(Engine("fast", CPU), WHOLE, id="fp32, whole"),
        pytest.param(Engine("fast", CPU, "bf16"), (), id="bf16, coarse"),
        pytest.param(Engine("fast", CPU), (), id="fp32, coarse", marks=pytest.mark.thorough),
        pytest.param(
            Engine("fast", CPU, "bf16"), WHOLE, id="bf16, whole", marks=pytest.mark.thorough
        ),
    ],
)
def test_the_fast_engine_agrees_with_the_reference_engine(task_of, engine, changes):
    task, said = task_of(*changes), []
    step = tried_step(task.method(CPU), engine, task.recipe.train, batch(), said.append)
    assert (step.engine, said) == (engine, [])
    expected, found = step_of(task)(batch()), step(batch())
    for name, loss in found.items():
        apart = 1e-4 if engine.precision == "fp32" else 3e-2
        torch.testing.assert_close(loss, expected[name], rtol=apart, atol=1e-3 * apart)


def test_what_came_later_is_there_as_options(task_of):
    changes = ["adversarial=hinge", "discriminator.spectral_norm=true", "train.ema=0.9"]
    step = step_of(task_of(*changes, "discriminator.scales=3", *WHOLE))
    losses = step(batch())
    step.finish()
    assert all(bool(value.isfinite()) for value in losses.values())
    assert step.averages is not None


def test_too_few_epochs_for_all_stages_are_noticed(task_of):
    (warned,) = (x for x in check(task_of("train.epochs=1")) if x.severity == "warning")
    assert "'generator.enhancers.0.down.1.weight'" in warned.message
    assert "are not trained in 1 epoch. raise train.epochs" in warned.message
    for changes in ((), WHOLE, ("method.coarse_epochs=0",), ("method.fixed_epochs=0",)):
        assert not any("not trained in" in each.message for each in check(task_of(*changes)))
