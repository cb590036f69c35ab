"""FID, KID and LPIPS with the libraries that compute them, and random weights.

test_learned_metrics.py runs this in a process of its own.
"""

import pytest
import torch
from metrics_built import OPTIONS, built_metric, measured

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import catalog

pytest_plugins = ["with_torchvision"]

LEARNED = ["fid", "kid", "lpips"]


def pictures(seed, count, height=40, width=48):
    """Rounded to 8 bits, in [-1, 1]."""
    levels = torch.randint(
        0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(seed)
    )
    return levels.float() / 127.5 - 1


@pytest.mark.parametrize("name", LEARNED)
def test_building_a_network_draws_no_random_number(name):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    built_metric(name)
    assert torch.equal(torch.rand(1), expected)


@pytest.fixture(scope="module")
def fid():
    return built_metric("fid")


def test_rows_are_the_features_that_torch_fidelity_gives_of_8_bits(fid, random_weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], str(random_weights / "inception.pth")
    )
    output, target = pictures(0, 2), pictures(1, 2)
    rows = fid.rows(output, target)
    for side, found in zip((output, target), rows.chunk(2, 1), strict=True):
        levels = ((side + 1) * 127.5).round().byte()
        assert torch.allclose(network(levels)[0], found, rtol=1e-4, atol=1e-5)
    assert rows.std(0).median() > 1e-3


@pytest.mark.thorough
def test_fid_is_that_of_torchmetrics(fid, random_weights):
    from torchmetrics.image.fid import FrechetInceptionDistance

    other = FrechetInceptionDistance(
        feature=2048,
        feature_extractor_weights_path=str(random_weights / "inception.pth"),
        antialias=False,
    )
    output, target = pictures(0, 6), pictures(1, 6) * 0.6
    found = measured("fid", fid, (output, target))
    other.update(((output + 1) * 127.5).round().byte(), real=False)
    other.update(((target + 1) * 127.5).round().byte(), real=True)
    assert found == pytest.approx(float(other.compute()), rel=1e-4)


def test_lpips_is_that_of_its_package(random_weights):
    import lpips

    alexnet = torch.load(random_weights / "alexnet.pth")
    with pytest.warns(UserWarning, match="pretrained|weights"):
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for name, weights in network.net.named_parameters():
        weights.data = alexnet[f"features.{name.split('.', 1)[1]}"]
    output, target = pictures(0, 3), pictures(1, 3)
    metric = built_metric("lpips")
    assert torch.allclose(metric.rows(output, target)[:, 0], network(output, target).flatten())
    assert metric.rows(output, target).min() > 0.01
    assert metric.rows(target, target).tolist() == [[0]] * 3
    assert metric.rows(target[..., :30], target[..., :30]) is None
    assert metric.rows(target[..., :31, :31], target[..., :31, :31]).shape == (3, 1)


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("content", [b"", b"<html>", {"other": torch.zeros(1)}, [1]])
def test_a_file_of_something_else_is_one_line(name, content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ImtransError, match=rf"^'{path}'") as raised:
        catalog().metrics[name].build(weights=str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["fid", "lpips"])
def test_weights_may_be_safetensors(name, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file(torch.load(OPTIONS[name]["weights"]), path)
    again = catalog().metrics[name].build(weights=str(path))
    pair = pictures(0, 1), pictures(1, 1)
    assert torch.equal(again.rows(*pair), built_metric(name).rows(*pair))


@pytest.mark.parametrize("name", LEARNED)
def test_without_weights_the_address_the_sum_and_the_options_are_named(name):
    with pytest.raises(ImtransError) as raised:
        catalog().metrics[name].build()
    message = str(raised.value)
    assert "\n" not in message
    for part in ("is not here", "https://", "sha256", 'weights = "download"', 'weights = "PATH"'):
        assert part in message


def test_ms_ssim_is_that_of_pytorch_msssim():
    from pytorch_msssim import ms_ssim

    target = torch.nn.functional.interpolate(pictures(0, 2), size=(176, 256), mode="bilinear")
    output = (target + 0.1 * torch.randn_like(target)).clamp(-1, 1)
    expected = ms_ssim((output + 1) / 2, (target + 1) / 2, data_range=1.0, size_average=False)
    found = built_metric("ms_ssim").rows(output, target)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)
