"""The method without a discriminator: its step written out, and what it refuses."""

import pytest
import torch
from steps import CPU, step_of

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit


@pytest.fixture
def recipe_of(tmp_path, tiny_file):
    """The tiny recipe without what belongs to the game, changed as --set would."""
    lines = tiny_file.read_text().split("[discriminator]")
    rest = "[[loss]]" + lines[1].split("[[loss]]")[1]
    file = tmp_path / "supervised.toml"
    file.write_text(lines[0] + '[method]\nname = "supervised"\n\n' + rest)
    return lambda *changes: recipes.read(file, changes, catalog())


def test_a_step_is_a_descent_of_the_losses_by_their_weights(recipe_of):
    recipe = recipe_of("loss=[{name='l1', weight=3.0}, {name='l2', weight=0.5}]")
    step = step_of(recipe)
    generator = Task(recipe, catalog()).method(CPU).generator  # from the same seed
    adam = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    torch.manual_seed(0)
    for _ in range(3):
        source, target = torch.rand(2, 2, 3, 64, 64).mul(2).sub(1).unbind()
        state = torch.get_rng_state()
        apart = generator(source) - target
        loss = 3 * apart.abs().mean() + 0.5 * apart.square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        torch.set_rng_state(state)  # the same dropout
        losses = step(Batch(source, target))
        assert float(losses["l1"]) == pytest.approx(float(apart.detach().abs().mean()), rel=1e-5)
    for one, other in zip(step.method.generator.parameters(), generator.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_run_keeps_a_generator_alone_and_continues(recipe_of, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    fit(Task(recipe_of(), catalog()), whole)
    fit(Task(recipe_of("train.epochs=1"), catalog()), resumed)
    fit(Task(recipe_of(), catalog()), resumed)
    ends = [run / "checkpoints" / "step_00000012" for run in (whole, resumed)]
    assert {path.stem for path in ends[0].glob("*.safetensors")} == {"generator", "training"}
    one, other = (read_tensors(end / "generator.safetensors") for end in ends)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_without_losses_there_is_nothing_to_learn_from(recipe_of):
    with pytest.raises(ImtransError, match=r"nothing to learn from: add a \[\[loss\]\]"):
        Task(recipe_of("loss=[]"), catalog()).method(CPU)


def test_a_discriminator_is_refused(recipe_of):
    with pytest.raises(ImtransError, match="discriminator"):
        recipe_of("discriminator.name=patch_70")
