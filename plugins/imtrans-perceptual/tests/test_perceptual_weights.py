"""The files of the weights: damaged, of other networks, on a server, checked by their sha256."""

import hashlib
import re
from contextlib import nullcontext as nothing

import pytest

pytest.importorskip(
    "imtrans_perceptual", reason="not installed: pip install -e plugins/imtrans-perceptual"
)

import torch
from misbehaving import serving
from safetensors.torch import save_file
from vgg_files import VGG16, VGG19, random_weights

from imtrans.api.errors import ImtransError
from imtrans.api.weights import MissingWeights, folder
from imtrans.recipe.catalog import catalog

IMAGES = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def build(weights=None, name="vgg16", **options):
    given = None if weights is None else str(weights)
    return catalog().losses[name].build(weights=given, **options)


def refused(*arguments, **options):
    with pytest.raises(ImtransError) as raised:
        build(*arguments, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def server(weights, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = serving(weights.read_bytes())
    yield server
    server.shutdown()
    server.server_close()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("name", "digits"), [("vgg16", "397923af"), ("vgg19", "dcbd9e9d")])
def test_without_weights_a_line_says_where_they_are(name, digits):
    with pytest.raises(MissingWeights) as raised:
        build(name=name)
    file = f"{name}-{digits}.pth"
    for part in (
        f"https://download.pytorch.org/models/{file}",
        'weights = "download"',
        str(folder() / file),
    ):
        assert part in str(raised.value)


def test_a_path_without_a_file_is_refused():
    assert refused("nowhere.pth").startswith(
        "'nowhere.pth' is no file; the weights of VGG16 are at"
    )
    assert refused("nowhere.pth", sha256="0" * 64).startswith("'nowhere.pth' is no file")


def test_an_address_and_its_sha256_are_fetched_once(weights, server):
    address = f"{server.address}/mine.safetensors"
    for digest in (sha256(weights), sha256(weights).upper()):
        loss = build(address, sha256=digest)
        assert loss(*IMAGES) == build(weights)(*IMAGES)
    assert len(server.asked) == 1
    assert [path.name for path in folder().iterdir()] == [
        f"{sha256(weights)[:16]}-mine.safetensors"
    ]


def test_two_files_of_one_name_are_kept_beside_each_other(weights, server):
    address, digests = f"{server.address}/mine.safetensors", []
    for content in (weights.read_bytes(), weights.with_suffix(".pth").read_bytes()):
        server.content = content
        digests.append(hashlib.sha256(content).hexdigest())
        with pytest.raises(ImtransError) if len(digests) > 1 else nothing():
            build(address, sha256=digests[-1])  # the second is no .safetensors
    assert len(list(folder().iterdir())) == 2


def test_an_address_with_another_file_keeps_nothing(weights, server):
    address = f"{server.address}/mine.safetensors"
    said = refused(address, sha256="0" * 64)
    assert f"its sha256 is {sha256(weights)}, not {'0' * 64}" in said
    assert list(folder().iterdir()) == []
    # Without a sha256 of its own, an address is a mirror of the published file.
    assert f"its sha256 is {sha256(weights)}, not 397923af" in refused(address)


def test_an_address_with_a_signature_is_refused(server):
    said = refused(f"{server.address}/mine.pth?token=secret", sha256="0" * 64)
    assert "a user, a password or a query" in said
    assert "secret" not in said
    assert not server.asked


def test_a_path_is_checked_by_its_sha256_too(weights):
    build(weights, sha256=sha256(weights))
    said = refused(weights, sha256="0" * 64)
    assert said == f"'{weights}' is another file: its sha256 is {sha256(weights)}, not {'0' * 64}"


@pytest.mark.parametrize("given", [None, "download"])
def test_a_sha256_belongs_to_a_file_of_ones_own(given):
    assert "belongs to a path or an address" in refused(given, sha256="0" * 64)


def test_a_damaged_file_is_one_line(weights, tmp_path):
    for name in ("cut.safetensors", "cut.pth"):
        path = tmp_path / name
        path.write_bytes(weights.with_suffix(path.suffix).read_bytes()[:-1000])
        assert refused(path) == f"'{path}': cannot be read as the weights of VGG16"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.pop("features.7.bias"), "the file has no 'features.7.bias'"),
        (lambda x: x.update({"features.0.weight": torch.rand(64, 1, 3, 3)}), "(64, 1, 3, 3) and"),
        (lambda x: x["features.5.bias"].fill_(torch.nan), "'features.5.bias' has values that"),
        (lambda x: x.clear(), "the file has no 'features.0.weight'"),
        # With batch norm, the second layer is one.
        (lambda x: x.update({"features.1.weight": torch.rand(64)}), "no layer 'features.1'"),
    ],
    ids=["partial", "grey", "nan", "empty", "batch norm"],
)
def test_a_file_of_something_else_is_refused_by_name(change, said, tmp_path):
    state, path = random_weights(VGG16[:4]), tmp_path / "other.pth"
    change(state)
    torch.save(state, path)
    told = refused(path)
    assert told.startswith(f"'{path}': these are not the weights of VGG16: ")
    assert said in told


@pytest.mark.parametrize(("name", "of_other"), [("vgg16", VGG19), ("vgg19", VGG16)])
def test_the_other_network_is_recognised_where_the_layers_in_use_are_alike(
    name, of_other, tmp_path
):
    path = tmp_path / "other.pth"
    torch.save(random_weights(of_other[:8]), path)
    layer = f"features.{of_other[7][0]}"
    said = refused(path, name, layers=["relu1_1"], layer_weights=[1.0])
    assert re.search(rf"not the weights of {name.upper()}: .* no layer '{layer}'", said)


def test_weights_of_half_precision_are_computed_with_in_full(weights, tmp_path):
    state, path = random_weights(VGG16[:4]), tmp_path / "half.safetensors"
    save_file({name: tensor.half() for name, tensor in state.items()}, path)
    loss = build(path)
    assert {parameter.dtype for parameter in loss.parameters()} == {torch.float32}
    torch.testing.assert_close(loss(*IMAGES), build(weights)(*IMAGES), rtol=1e-2, atol=0)
