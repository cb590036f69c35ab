"""The plugin as a user meets it: through the catalog, a recipe, training and translation."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip(
    "imtrans_resunet", reason="not installed: pip install -e plugins/imtrans-resunet"
)

import torch
from PIL import Image
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.reading import read
from imtrans.task import Task
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step
from imtrans.translation.translator import Translator

RECIPE = Path(__file__).parents[1] / "resunet_maps.toml"
SMALL = ["generator.width=4", "discriminator.width=4", "data.load_size=64", "data.crop_size=64"]
CPU = torch.device("cpu")


def resunet(in_channels: int = 3, out_channels: int = 3, **options: object) -> nn.Module:
    options = {"depth": 3, "width": 4} | options
    return catalog().generators["resunet"].build(in_channels, out_channels, **options)


def picture(height: int, width: int, channels: int = 3, count: int = 1) -> Tensor:
    return torch.rand(count, channels, height, width) * 2 - 1


def test_it_comes_from_its_own_distribution():
    assert catalog().generators["resunet"].plugin.distribution == "imtrans-resunet"


@pytest.mark.parametrize("depth", range(2, 9))
def test_any_multiple_of_its_stride_will_do(depth):
    generator = resunet(depth=depth, width=1)
    assert generator.stride == 2**depth
    fake = generator(picture(2**depth, 2 * 2**depth))
    assert fake.shape == (1, 3, 2**depth, 2 * 2**depth)
    assert fake.abs().max() <= 1


def test_any_other_size_is_refused_with_the_sizes_that_fit():
    with pytest.raises(ValueError, match="multiples of 8; the image is 20 x 16. use 16 x 16 or 24"):
        resunet()(picture(16, 20))


@pytest.mark.parametrize("channels", [(1, 2), (3, 1), (6, 3)])
def test_source_and_target_may_differ_in_channels(channels):
    assert resunet(*channels)(picture(8, 8, channels[0])).shape == (1, channels[1], 8, 8)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_one_image_of_the_smallest_size_trains_every_parameter(norm):
    generator = resunet(norm=norm, dropout=0.0)
    generator(picture(8, 8)).square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_the_innermost_features_reach_the_output(norm):
    generator, source = resunet(norm=norm).eval(), picture(8, 8)
    before = generator(source)
    generator.encoder[-1].register_forward_hook(lambda *call: call[-1] + 1)
    assert not torch.equal(generator(source), before)


def test_the_same_seed_gives_the_same_weights_and_images():
    source, fakes = picture(16, 16), []
    for _ in range(2):
        torch.manual_seed(7)
        fakes.append(resunet()(source))
    assert torch.equal(*fakes)


def test_dropout_is_noise_in_training_only():
    generator, source = resunet(norm="none"), picture(16, 16)
    assert not torch.equal(generator(source), generator(source))
    generator.eval()
    assert torch.equal(generator(source), generator(source))


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_it_runs_in_bf16(norm):
    generator = resunet(norm=norm)
    with torch.autocast("cpu", torch.bfloat16):
        fake = generator(picture(8, 8))
    fake.float().mean().backward()
    assert fake.dtype == torch.bfloat16
    assert fake.isfinite().all()


def test_a_flat_image_gets_no_checkerboard():
    generator = resunet(depth=2, norm="none").eval()
    fake = generator(torch.full((1, 3, 128, 128), 0.5))
    away_from_the_border = fake[..., 48:80, 48:80]
    torch.testing.assert_close(
        away_from_the_border, fake[..., 64:65, 64:65].expand(1, 3, 32, 32), rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("generator.depth=1", "generator.depth: 1 is not greater than or equal to 2"),
        ("generator.depth=9", "generator.depth: 9 is not less than or equal to 8"),
        ("generator.norm='bach'", "generator.norm: 'bach' is not one of 'batch', 'instance'"),
        ("generator.dept=5", "no key 'dept'; did you mean 'depth'?"),
    ],
)
def test_a_wrong_option_is_refused_by_name(override, said):
    with pytest.raises(ImtransError) as refused:
        read(RECIPE, [override], catalog())
    assert said in str(refused.value)


def test_a_crop_that_does_not_fit_is_refused_before_training():
    recipe = read(RECIPE, [*SMALL, "data.crop_size=60"], catalog())
    with pytest.raises(ImtransError, match="multiples of 64; crop_size is 60. use 64"):
        Task(recipe, catalog()).method(CPU)


def test_its_recipe_trains_and_translates():
    recipe = read(RECIPE, SMALL, catalog())
    task = Task(recipe, catalog())
    method = task.method(CPU)
    step, batch = Step(method, plain(CPU), recipe.train), Batch(picture(64, 64), picture(64, 64))
    values = [float(step(batch)["l1"]) for _ in range(8)]
    assert values[-1] < values[0]
    translator = Translator(method.generator, task.encoding, device=CPU)
    assert translator(Image.new("RGB", (70, 40))).size == (70, 40)


def test_without_the_plugin_its_recipe_says_what_to_install():
    core = [point for point in entry_points(group="imtrans") if point.dist.name == "imtrans"]
    with pytest.raises(ImtransError, match="pip install imtrans-resunet"):
        read(RECIPE, catalog=collect(core))
