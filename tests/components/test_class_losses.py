"""Losses between classes, against the formulas of their papers in numpy."""

import numpy as np
import pytest
import torch

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.task import Task
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step

NAMES = ["cross_entropy", "dice"]
CLASSES = "data.target.classes=[[0,0,0],[255,255,255],[200,30,30]]"
CPU = torch.device("cpu")


def build(name, **options):
    return catalog().losses[name].build(**options)


def label_map(classes=4, unused=(), side=8):
    """Targets (2, classes, side, side) of random classes but those unused."""
    generator = torch.Generator().manual_seed(1)
    used = torch.tensor([x for x in range(classes) if x not in unused])
    drawn = used[torch.randint(len(used), (2, side, side), generator=generator)]
    return torch.nn.functional.one_hot(drawn, classes).movedim(-1, 1) * 2.0 - 1


def anything(target):
    return torch.rand(target.shape, generator=torch.Generator().manual_seed(2)) * 2 - 1


def probabilities(output):
    powers = np.exp(5 * output.double().numpy())
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("unused", [(), (2,), (0, 1, 3)])
def test_cross_entropy_is_the_mean_of_minus_the_logarithm_of_what_is_right(unused):
    target = label_map(unused=unused)
    output = anything(target)
    right = np.take_along_axis(probabilities(output), target.argmax(1, keepdim=True).numpy(), 1)
    found = build("cross_entropy")(output, target)
    assert found.shape == ()
    assert float(found) == pytest.approx(-np.log(right).mean(), rel=1e-5)


@pytest.mark.parametrize("unused", [(), (2,), (0, 1, 3)])
@pytest.mark.parametrize("smooth", [1e-3, 1.0, 10.0])
def test_dice_is_one_minus_the_mean_overlap_of_the_classes_that_occur(unused, smooth):
    target = label_map(unused=unused)
    output = anything(target)
    found, values = probabilities(output), []
    for number in range(4):
        if number in unused:
            continue
        is_of, like = (target[:, number] == 1).numpy(), found[:, number]
        overlap = 2 * like[is_of].sum() + smooth
        values.append(1 - overlap / ((like**2).sum() + is_of.sum() + smooth))
    assert float(build("dice", smooth=smooth)(output, target)) == pytest.approx(
        np.mean(values), rel=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_equal_is_nearly_nothing_and_the_opposite_is_most(name):
    target = label_map()
    loss = build(name)
    equal, other, wrong = (loss(x, target) for x in (target, anything(target), -target))
    assert 0 <= equal < 1e-3
    assert equal < other < wrong


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", [-1.0, 0.0, 1.0])
def test_gradients_lead_from_any_corner_to_the_right_class(name, start):
    """Also where all channels are the same, at either end of the tanh."""
    target = label_map()
    output = torch.full_like(target, start).requires_grad_(True)
    build(name)(output, target).backward()
    assert output.grad.isfinite().all()
    assert (output.grad[target == 1] < 0).all()
    assert (output.grad[target == -1] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_the_value(name):
    target = label_map(unused=(2,), side=3).double()
    output = anything(target).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda image: build(name)(image, target), output)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_of_no_class_are_no_fault(name):
    output = anything(label_map()).requires_grad_(True)
    loss = build(name)(output, torch.full_like(output, -1))
    loss.backward()
    assert loss == 0
    assert output.grad.isfinite().all()


def test_in_dice_a_rare_class_counts_as_much_as_a_common_one():
    target = -torch.ones(1, 2, 10, 10)
    target[:, 0] = 1
    target[:, :, 0, 0] *= -1  # a single pixel of the second class
    ignoring = target.clone()
    ignoring[:, :, 0, 0] *= -1
    assert build("cross_entropy")(ignoring, target) < 0.11
    assert build("dice", smooth=0.01)(ignoring, target) > 0.49


@pytest.mark.parametrize("name", NAMES)
def test_without_classes_they_are_refused_with_the_line_of_the_recipe(name, tiny_file):
    tiny_file.write_text(tiny_file.read_text().replace('name = "l1"', f'name = "{name}"'))
    line = tiny_file.read_text()[: tiny_file.read_text().index("[[loss]]")].count("\n") + 1
    said = f"line {line} +loss.0: the loss '{name}' needs data.target.classes"
    with pytest.raises(ImtransError, match=said):
        read(tiny_file, catalog=catalog())
    with pytest.raises(ImtransError, match=said):
        read(tiny_file, ["data.source.classes=[[0,0,0],[9,9,9]]"], catalog())
    with pytest.raises(ImtransError, match=f"{said}.*; a derived pair has none"):
        read(tiny_file, [CLASSES, "data.layout=photos", "data.derive=edges"], catalog())
    assert read(tiny_file, [CLASSES], catalog()).loss[0].name == name


def test_a_recipe_trains_with_both_and_the_engines_agree(tiny_file):
    tiny_file.write_text(
        tiny_file.read_text().replace(
            'name = "l1"\nweight = 100.0',
            'name = "cross_entropy"\nweight = 10.0\n\n[[loss]]\nname = "dice"\nweight = 10.0',
        )
    )
    task = Task(read(tiny_file, [CLASSES, "generator.dropout=0.0"], catalog()), catalog())
    batch = task.first_batch(CPU)
    assert batch.target.shape[1] == 3
    found = {}
    for engine in (plain(CPU), Engine("fast", CPU), Engine("fast", CPU, "bf16")):
        step = Step(task.method(CPU), engine, task.recipe.train)
        found[str(engine)] = [step(batch) for _ in range(4)]
    reference, fast, half = found.values()
    for name in NAMES:
        assert reference[-1][name] < reference[0][name]
        torch.testing.assert_close(fast[0][name], reference[0][name], rtol=1e-4, atol=0)
        torch.testing.assert_close(half[0][name], reference[0][name], rtol=3e-2, atol=0)
