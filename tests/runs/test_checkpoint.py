"""Checkpoints: complete or absent, without pickle, read with suspicion."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import Catalog, catalog
from imtrans.runs import checkpoint
from imtrans.runs.checkpoint import DISCRIMINATOR, GENERATOR
from imtrans.runs.inspection import describe


def networks_of(recipe):
    parts = assemble(recipe, catalog(), torch.device("cpu"))
    return parts.generator, parts.discriminator


@pytest.fixture
def networks(tiny):
    return networks_of(tiny)


@pytest.fixture
def saved(tiny, networks, tmp_path):
    folder = tmp_path / "checkpoint"
    parts = {GENERATOR: networks[0].state_dict(), DISCRIMINATOR: networks[1].state_dict()}
    checkpoint.save(folder, parts, recipe=tiny, catalog=catalog(), stride=4, step=12, epoch=3)
    return folder


def test_a_checkpoint_says_what_it_is(saved, tiny):
    header = checkpoint.read_header(saved / GENERATOR)
    assert (header.part, header.step, header.epoch) == ("generator", 12, 3)
    assert header.facts["stride"] == "4"
    assert header.recipe(catalog()) == tiny


def test_what_is_saved_comes_back(saved, tiny, networks):
    other, _ = networks_of(tiny.model_copy(update={"seed": 5}))
    checkpoint.load_into(other, saved / GENERATOR)
    for key, tensor in networks[0].state_dict().items():
        assert torch.equal(other.state_dict()[key], tensor)


def test_channels_last_weights_are_written_plain(tiny, networks, tmp_path):
    generator = networks[0].to(memory_format=torch.channels_last)
    checkpoint.save(
        tmp_path / "c", {GENERATOR: generator.state_dict()}, recipe=tiny, catalog=catalog()
    )
    for key, tensor in load_file(tmp_path / "c" / GENERATOR).items():
        assert torch.equal(tensor, generator.state_dict()[key])


def test_no_file_of_a_checkpoint_is_a_pickle(saved):
    for path in saved.iterdir():
        assert path.suffix == ".safetensors" or path.name == "SHA256SUMS"
        assert path.read_bytes()[:2] not in (b"PK", b"\x80\x02")


def test_a_failed_write_leaves_the_old_checkpoint_whole_and_nothing_beside_it(
    saved, tiny, networks, monkeypatch
):
    before = (saved / GENERATOR).read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(ImtransError, match="cannot write the checkpoint: no space left on device"):
        checkpoint.save(
            saved, {GENERATOR: networks[0].state_dict()}, recipe=tiny, catalog=catalog()
        )
    assert (saved / GENERATOR).read_bytes() == before
    assert [path.name for path in saved.parent.iterdir() if path.name.startswith(".")] == []


def test_a_checkpoint_replaces_another_whole(saved, tiny, networks):
    checkpoint.save(saved, {GENERATOR: networks[0].state_dict()}, recipe=tiny, catalog=catalog())
    assert sorted(path.name for path in saved.iterdir()) == ["SHA256SUMS", GENERATOR]


def damage(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "header cut":
        path.write_bytes(content[:20])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        save_file({"x": torch.zeros(1)}, path)
    elif how == "pickle":
        torch.save({"x": torch.zeros(1)}, path)
    elif how == "garbage":
        path.write_bytes(b"\xff" * 100)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("truncated", "not a whole safetensors file"),
        ("header cut", "not a whole safetensors file"),
        ("empty", "not a whole safetensors file"),
        ("garbage", "not a whole safetensors file"),
        ("foreign", "a safetensors file, but not a checkpoint of imtrans"),
        ("pickle", "bring it in with `imtrans import-weights`"),
    ],
)
def test_a_damaged_or_foreign_file_is_named(saved, how, told):
    damage(saved / GENERATOR, how)
    with pytest.raises(ImtransError, match=told) as caught:
        checkpoint.read_header(saved / GENERATOR)
    assert str(saved / GENERATOR) in str(caught.value)


def test_a_later_format_asks_for_an_upgrade(saved, tiny, networks, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "FORMAT", "2")
    parts = {GENERATOR: networks[0].state_dict()}
    checkpoint.save(tmp_path / "later", parts, recipe=tiny, catalog=catalog())
    monkeypatch.setattr(checkpoint, "FORMAT", "1")
    with pytest.raises(ImtransError, match="written in format 2 .* upgrade imtrans"):
        checkpoint.read_header(tmp_path / "later" / GENERATOR)


def test_a_tensor_that_does_not_fit_is_named(saved, tiny):
    wide = tiny.model_copy(update={"generator": tiny.generator.model_copy(update={"width": 8})})
    network, _ = networks_of(wide)
    with pytest.raises(
        ImtransError, match=r"'encoder.1.weight' is \(4, 3, 7, 7\); the network has"
    ):
        checkpoint.load_into(network, saved / GENERATOR)


def catalog_with(name, plugin):
    """The catalog with one component from another plugin, or without it."""
    changed = Catalog()
    for role, registry in catalog().registries.items():
        for component in registry:
            source = plugin if component.name == name else component.plugin
            if source:
                changed.registries[role].register(component.name, component.builder, source)
    return changed


def test_a_missing_plugin_is_named_with_what_to_install(saved, tiny, networks, tmp_path):
    stranger = catalog().generators["resnet_6"].plugin
    renamed = type(stranger)("strange", "imtrans-strange", "1.2")
    with_stranger = catalog_with("resnet_6", renamed)
    folder = tmp_path / "c"
    parts = {GENERATOR: networks[0].state_dict()}
    checkpoint.save(folder, parts, recipe=tiny, catalog=with_stranger)
    header = checkpoint.read_header(folder / GENERATOR)
    with pytest.raises(ImtransError) as caught:
        header.recipe(catalog_with("resnet_6", None))
    told = str(caught.value)
    assert "no generator 'resnet_6'; did you mean 'resnet_9'" in told
    assert "pip install imtrans-strange==1.2" in told


def test_translating_needs_no_plugin_but_the_generators(saved):
    header = checkpoint.read_header(saved / GENERATOR)
    poorer = catalog_with("l1", None)
    assert header.recipe(poorer, roles=["generator"])
    with pytest.raises(ImtransError, match="no loss 'l1'"):
        header.recipe(poorer)


def test_inspect_describes_a_checkpoint_without_its_plugins(saved):
    told = describe(saved)
    assert "12 steps, 2 epochs" in told
    assert "multiples of 4 px" in told
    assert "generator" in told
    assert "discriminator" in told
    assert 'name = "resnet_6"' in told


def test_only_numbered_directories_are_checkpoints_and_the_highest_number_is_the_newest(
    saved, tmp_path
):
    run = tmp_path / "run"
    for name in ("step_00000002", "step_00000010", ".step_00000020.partial", "step_best"):
        shutil.copytree(saved, run / "checkpoints" / name)
    found = [path.name for path in checkpoint.checkpoints(run)]
    assert found == ["step_00000002", "step_00000010"]
    assert checkpoint.generator_file(run).parent.name == "step_00000010"


def test_a_checkpoint_that_lost_a_file_is_told_and_not_passed_over(saved, tmp_path):
    run = tmp_path / "run"
    for name in ("step_00000001", "step_00000010"):
        shutil.copytree(saved, run / "checkpoints" / name)
    (run / "checkpoints" / "step_00000010" / GENERATOR).unlink()
    with pytest.raises(ImtransError, match="step_00000010.*no such file"):
        checkpoint.read_header(checkpoint.generator_file(run))
