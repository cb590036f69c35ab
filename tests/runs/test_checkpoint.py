"""Checkpoints: complete or absent, without pickle, read with suspicion."""

import json
import shutil

import pytest
import torch
from drawn import draw_picture
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import imtrans as public
from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog, catalog
from imtrans.recipe.registry import Plugin
from imtrans.runs import checkpoint, sealed
from imtrans.runs.header import GENERATOR, TRAINING, read_header, read_headers
from imtrans.runs.inspection import describe
from imtrans.runs.weights import load_into
from imtrans.task import Task

CPU = torch.device("cpu")
DISCRIMINATOR = "discriminator.safetensors"
FACTS = {"stride": "4", "step": "12", "epoch": "3"}


def networks_of(recipe):
    return Task(recipe, catalog()).method(CPU).networks()


def states(networks):
    return {name: network.state_dict() for name, network in networks.items()}


@pytest.fixture
def task(tiny):
    return Task(tiny, catalog())


@pytest.fixture
def networks(tiny):
    return networks_of(tiny)


@pytest.fixture
def saved(task, networks, tmp_path):
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, states(networks), task, FACTS)
    return folder


def test_a_checkpoint_says_what_it_is(saved, tiny):
    header = read_header(saved / GENERATOR)
    assert (header.part, header.step, header.epoch) == ("generator", 12, 3)
    assert header.facts["stride"] == "4"
    assert header.parts == [GENERATOR, DISCRIMINATOR]
    assert header.translators == ["generator"]
    assert header.translates
    assert not read_header(saved / DISCRIMINATOR).translates
    assert header.recipe(catalog()) == tiny


def test_what_is_saved_comes_back(saved, tiny, networks):
    other = networks_of(tiny.model_copy(update={"seed": 5}))["generator"]
    load_into(other, saved / GENERATOR)
    for key, tensor in networks["generator"].state_dict().items():
        assert torch.equal(other.state_dict()[key], tensor)


def test_channels_last_weights_are_written_plain(task, networks, tmp_path):
    generator = networks["generator"].to(memory_format=torch.channels_last)
    checkpoint.save(tmp_path / "c", states({"generator": generator}), task)
    for key, tensor in load_file(tmp_path / "c" / GENERATOR).items():
        assert torch.equal(tensor, generator.state_dict()[key])


def test_no_file_of_a_checkpoint_is_a_pickle(saved):
    for path in saved.iterdir():
        assert path.suffix == ".safetensors" or path.name == "SHA256SUMS"
        assert path.read_bytes()[:2] not in (b"PK", b"\x80\x02")


def test_a_failed_write_leaves_the_old_checkpoint_whole_and_nothing_beside_it(
    saved, task, networks, monkeypatch
):
    before = (saved / GENERATOR).read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed, "_bytes", full)
    with pytest.raises(ImtransError, match="cannot write the checkpoint: no space left on device"):
        checkpoint.save(saved, states(networks), task)
    assert (saved / GENERATOR).read_bytes() == before
    assert [path.name for path in saved.parent.iterdir() if path.name.startswith(".")] == []


def test_a_checkpoint_replaces_another_whole(saved, task, networks):
    checkpoint.save(saved, states({"generator": networks["generator"]}), task)
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
        read_header(saved / GENERATOR)
    assert str(saved / GENERATOR) in str(caught.value)


def rewritten(path, **facts):
    """The file with other facts in its header; None: without the fact."""
    with safe_open(path, framework="pt") as file:
        header = {key: value for key, value in {**file.metadata(), **facts}.items() if value}
    save_file(load_file(path), path, metadata=header)
    return path


def test_a_later_format_asks_for_an_upgrade(saved):
    later = rewritten(saved / GENERATOR, format="3")
    with pytest.raises(ImtransError, match="written in format 3 .* upgrade imtrans"):
        read_header(later)


HOSTILE = [
    '["../../elsewhere/generator"]',
    '["/etc/generator"]',
    '["generator", "..\\\\training"]',
    '["training", ""]',
    '["generator.safetensors"]',
    '["generator", 7]',
    '{"generator": 1}',
    '"generator"',
    "7",
    "null",
    "[",
    "[" * 100_000,
    None,
]


@pytest.mark.parametrize("names", HOSTILE, ids=lambda names: str(names)[:32])
@pytest.mark.parametrize("fact", ["parts", "translators"])
def test_names_in_a_header_are_names_and_lead_nowhere_else(saved, task, fact, names):
    shutil.copy(saved / GENERATOR, saved / TRAINING)
    rewritten(saved / TRAINING, part="training", **{fact: names})
    rewritten(saved / GENERATOR, **{fact: names})
    read = {"parts": read_headers, "translators": public.load}[fact]
    with pytest.raises(ImtransError, match=f"its header has no names '{fact}'"):
        read(saved)


@pytest.mark.parametrize(
    "plugins", ["[rubbish", "[]", "7", None, '{"x; rm -rf ~": "1"}', '{"x": "1 && y"}', '{"x": 7}']
)
def test_rubbish_for_the_plugins_is_nothing_to_install(saved, plugins):
    rewritten(saved / GENERATOR, plugins=plugins)
    with pytest.raises(ImtransError, match="no generator 'resnet_6'") as caught:
        read_header(saved / GENERATOR).recipe(catalog_without("resnet_6"))
    assert ("pip install" in str(caught.value)) == (plugins == '{"x": 7}')


def test_a_tensor_that_does_not_fit_is_named(saved, tiny):
    wide = tiny.model_copy(update={"generator": tiny.generator.model_copy(update={"width": 8})})
    network = networks_of(wide)["generator"]
    with pytest.raises(
        ImtransError, match=r"'encoder.1.weight' is \(4, 3, 7, 7\); the network has"
    ):
        load_into(network, saved / GENERATOR)


def catalog_with(changes):
    """The catalog with components, by name, from another plugin, or (None) without them."""
    changed = Catalog()
    for role, registry in catalog().registries.items():
        for component in registry:
            plugin = changes.get(component.name, component.plugin)
            if plugin:
                changed.registries[role].register(component.name, component.builder, plugin)
    return changed


def catalog_without(*names):
    return catalog_with(dict.fromkeys(names))


THEIRS = Plugin("third", "imtrans-third", "1.2")

# Each role that a recipe names, what a recipe needs to name it, and what is then missing.
ROLES = {
    "resnet_6": ("generator", []),
    "patch_16": ("discriminator", []),
    "vanilla": ("adversarial loss", []),
    "l1": ("loss", ["validate.metrics=['psnr']"]),
    "psnr": ("metric", []),
    "csv": ("logger", ["logger=['csv']"]),
    "affine": ("augmentation", ["augment=[{name='affine'}]"]),
    "folders": ("layout", ["data.layout=folders"]),
    "grayscale": ("derivation", ["data.layout=photos", "data.derive=grayscale"]),
    "pix2pix": ("method", []),
}


def test_every_role_is_among_those_that_name_their_plugin():
    assert {role for role, _ in ROLES.values()} == {*catalog().registries}


@pytest.mark.parametrize("name", ROLES)
def test_a_missing_plugin_is_named_with_what_to_install(tiny_file, networks, tmp_path, name):
    role, overrides = ROLES[name]
    recipe = recipes.read(tiny_file, overrides, catalog())
    task = Task(recipe, catalog_with({name: THEIRS}))
    checkpoint.save(tmp_path / "c", states(networks), task)
    header = read_header(tmp_path / "c" / GENERATOR)
    assert json.loads(header.facts["plugins"]) == {"imtrans-third": "1.2"}
    with pytest.raises(ImtransError) as caught:
        header.recipe(catalog_without(name))
    message = str(caught.value)
    assert f"no {role} '{name}'" in message
    assert (
        "it was written with plugins that are not here: pip install imtrans-third==1.2" in message
    )
    assert "pip install" not in describe(tmp_path / "c")
    assert "imtrans-third" in describe(tmp_path / "c")


def test_without_the_plugin_of_its_derivation_translating_says_what_to_install(
    tiny_file, networks, tmp_path, monkeypatch
):
    overrides = ["data.layout=photos", "data.derive=grayscale"]
    recipe = recipes.read(tiny_file, overrides, catalog())
    checkpoint.save(
        tmp_path / "c", states(networks), Task(recipe, catalog_with({"grayscale": THEIRS}))
    )
    poorer = catalog_without("grayscale")
    monkeypatch.setattr("imtrans.translation.loading.catalog", lambda: poorer)
    with pytest.raises(ImtransError, match="no derivation 'grayscale'") as caught:
        public.load(tmp_path / "c")
    assert "pip install imtrans-third==1.2" in str(caught.value)


def test_translating_needs_only_the_plugins_of_method_generator_and_derivation(
    tiny_file, tmp_path, monkeypatch
):
    overrides = ["logger=['csv']", "augment=[{name='affine'}]", "data.layout=folders"]
    recipe = recipes.read(tiny_file, overrides, catalog())
    checkpoint.save(tmp_path / "c", states(networks_of(recipe)), Task(recipe, catalog()), FACTS)
    rich, poor = catalog(), Catalog()
    for role in ("method", "generator"):
        poor.registries[role].components |= rich.registries[role].components
    picture = draw_picture(1, (64, 64))
    expected = public.load(tmp_path / "c", precision="fp32")(picture).tobytes()
    monkeypatch.setattr("imtrans.translation.loading.catalog", lambda: poor)
    assert public.load(tmp_path / "c", precision="fp32")(picture).tobytes() == expected
    with pytest.raises(ImtransError) as caught:
        read_header(tmp_path / "c" / GENERATOR).recipe(poor)
    for role in ("discriminator", "adversarial loss", "loss", "metric", "logger", "layout"):
        assert f"no {role} '" in str(caught.value)


def test_inspect_describes_a_checkpoint_without_its_plugins(saved):
    told = describe(saved)
    assert "12 steps, 2 epochs" in told
    assert "multiples of 4 px" in told
    for row in ("translators   generator\n", "generator     104 tensors", "discriminator "):
        assert row in told
    assert 'name = "resnet_6"' in told


def test_only_numbered_directories_are_checkpoints_and_the_highest_number_is_the_newest(
    saved, tmp_path
):
    run = tmp_path / "run"
    for name in ("step_00000002", "step_00000010", ".step_00000020.partial", "step_best"):
        shutil.copytree(saved, run / "checkpoints" / name)
    found = [path.name for path in checkpoint.checkpoints(run)]
    assert found == ["step_00000002", "step_00000010"]
    assert checkpoint.translator_file(run).parent.name == "step_00000010"


def test_a_checkpoint_that_lost_a_file_is_told_and_not_passed_over(saved, tmp_path):
    run = tmp_path / "run"
    for name in ("step_00000001", "step_00000010"):
        shutil.copytree(saved, run / "checkpoints" / name)
    (run / "checkpoints" / "step_00000010" / GENERATOR).unlink()
    with pytest.raises(ImtransError, match="step_00000010.*no such file"):
        read_header(checkpoint.translator_file(run))
