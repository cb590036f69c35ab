"""The published .pth files: recognised by their keys, refused when they hold code or do not fit."""

import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.images import to_picture
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import read_header
from imtrans.runs.published_weights import import_weights, recognise
from imtrans.runs.weights import read_tensors
from imtrans.translation.loading import load

GOLDEN = Path(__file__).parents[1] / "given" / "golden"


@pytest.fixture(scope="module")
def facades():
    return recipes.read("facades", catalog=catalog())


def golden(name):
    return torch.load(GOLDEN / f"{name}.pth", weights_only=True)


def stored(state, folder, name="latest_net_G.pth"):
    torch.save(state, folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("file", "table", "channels"),
    [
        ("generator-unet_128-batch-3ch", {"name": "unet_128", "width": 4, "norm": "batch"}, (3, 3)),
        ("generator-unet_256-batch-3ch", {"name": "unet_256", "width": 4, "norm": "batch"}, (3, 3)),
        (
            "generator-resnet_9blocks-instance-3ch",
            {"name": "resnet_9", "width": 4, "norm": "instance", "dropout": 0.0},
            (3, 3),
        ),
        ("discriminator-basic-batch-6ch", {"name": "patch_70", "width": 4, "norm": "batch"}, (6,)),
        ("discriminator-pixel-batch-6ch", {"name": "pixel", "width": 4, "norm": "batch"}, (6,)),
    ],
)
def test_a_file_is_recognised_by_its_keys(file, table, channels):
    found = recognise(GOLDEN / f"{file}.pth")
    assert (found.table, found.channels) == (table, channels)


def with_dropout(state):
    """The keys of a ResNet that has dropout: the second convolution stands one place further."""
    return {
        key.replace("conv_block.6.", "conv_block.7.").replace(
            "conv_block.5.", "conv_block.6."
        ): value
        for key, value in sorted(state.items())
    }


def test_dropout_in_a_resnet_shows_in_the_place_of_its_second_convolution(facades, tmp_path):
    plain = golden("generator-resnet_6blocks-batch-3ch")
    if "model.10.conv_block.6.weight" in plain and plain["model.10.conv_block.6.weight"].dim() == 4:
        plain = {
            k.replace("block.6.", "block.5.").replace("block.7.", "block.6."): v
            for k, v in plain.items()
        }
    for state, dropout in ((plain, 0.0), (with_dropout(plain), 0.5)):
        found = recognise(stored(state, tmp_path))
        assert found.table["dropout"] == dropout
        import_weights([found.path], facades, catalog(), tmp_path / f"out-{dropout}")


def test_marks_of_wrappers_are_taken_off(facades, tmp_path):
    state = {f"module.{k}": v for k, v in golden("generator-unet_128-batch-3ch").items()}
    assert recognise(stored(state, tmp_path)).table["name"] == "unet_128"


def test_files_older_than_pytorch_0_4_are_read(facades, tmp_path):
    old = golden("generator-resnet_9blocks-instance-3ch")
    old |= {"model.2.running_mean": torch.zeros(4), "model.2.running_var": torch.ones(4)}
    import_weights([stored(old, tmp_path)], facades, catalog(), tmp_path / "instance")
    batch = golden("generator-unet_128-batch-3ch")
    batch = {k: v for k, v in batch.items() if not k.endswith("num_batches_tracked")}
    import_weights([stored(batch, tmp_path)], facades, catalog(), tmp_path / "batch")


def test_generator_and_discriminator_become_one_checkpoint_with_the_recipe_in_it(facades, tmp_path):
    files = [
        GOLDEN / "generator-unet_128-batch-3ch.pth",
        GOLDEN / "discriminator-n_layers-n5-batch-6ch.pth",
    ]
    import_weights(files, facades, catalog(), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "SHA256SUMS",
        "discriminator.safetensors",
        "generator.safetensors",
    ]
    recipe = read_header(tmp_path / "out" / "generator.safetensors").recipe(catalog())
    assert recipe.generator.name == "unet_128"
    assert recipe.discriminator.name == "patch_286"
    assert recipe.title == facades.title


def test_pictures_are_brought_to_the_size_of_the_published_test(facades, tmp_path):
    state = torch.load(GOLDEN / "generator-unet_256-batch-3ch.pth", weights_only=True)
    import_weights([stored(state, tmp_path)], facades, catalog(), tmp_path / "out")
    given = load(tmp_path / "out").given(to_picture(Image.new("RGB", (300, 200))))
    assert (given.source.shape[-2:], given.size) == ((256, 256), (200, 300))
    native = load(tmp_path / "out", size="native").given(to_picture(Image.new("RGB", (300, 200))))
    assert native.source.shape[-2:] == (200, 300)


def test_channels_follow_the_weights_where_the_data_can(facades, tmp_path):
    state = golden("generator-unet_128-batch-3ch")
    state["model.model.0.weight"] = state["model.model.0.weight"][:, :1].clone()
    import_weights([stored(state, tmp_path)], facades, catalog(), tmp_path / "grey")
    recipe = read_header(tmp_path / "grey" / "generator.safetensors").recipe(catalog())
    assert (recipe.data.source.channels, recipe.data.target.channels) == (1, 3)
    state["model.model.0.weight"] = torch.zeros(4, 5, 4, 4)
    colorize = recipes.read("colorize", catalog=catalog())
    with pytest.raises(ImtransError, match="translates 5 channels to 3; the recipe's data have 1"):
        import_weights([stored(state, tmp_path)], colorize, catalog(), tmp_path / "five")


def test_an_unconditional_discriminator_is_recognised_by_its_channels(facades, tmp_path):
    state = golden("discriminator-basic-batch-6ch")
    state["model.0.weight"] = state["model.0.weight"][:, :3].clone()
    import_weights([stored(state, tmp_path)], facades, catalog(), tmp_path / "out")
    recipe = read_header(tmp_path / "out" / "discriminator.safetensors").recipe(catalog())
    assert recipe.discriminator.options["conditional"] is False


INNER = "model.model.1.model.3.model.3.model.5.weight"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({INNER: torch.zeros(3, 3, 4, 4)}, f"'{INNER}' does not fit unet_128"),
        ({INNER: None}, f"'{INNER}' is missing for unet_128"),
        (
            {"model.model.9.weight": torch.zeros(1)},
            "'model.model.9.weight' does not belong to unet",
        ),
    ],
)
def test_a_file_that_does_not_fit_names_the_first_key_that_does_not(
    facades, tmp_path, change, told
):
    state = golden("generator-unet_128-batch-3ch") | change
    state = {key: value for key, value in state.items() if value is not None}
    with pytest.raises(ImtransError, match=told):
        import_weights([stored(state, tmp_path)], facades, catalog(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_network_that_is_not_pix2pix_names_its_first_key(tmp_path):
    path = stored({"conv1.weight": torch.zeros(3)}, tmp_path)
    with pytest.raises(ImtransError, match="has its first key 'conv1.weight'"):
        recognise(path)


class Exploit:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_with_code_in_it_is_refused_unexecuted(tmp_path, archive):
    path, target = tmp_path / "latest_net_G.pth", tmp_path / "executed"
    if archive:
        torch.save({"model.model.0.weight": Exploit(target)}, path)
    else:
        path.write_bytes(pickle.dumps({"model.model.0.weight": Exploit(target)}))
    with pytest.raises(ImtransError, match="refused: .* nothing in it was run"):
        recognise(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "latest_net_G.pth: "),
        (b"no pickle", "latest_net_G.pth: "),
        ("truncated", "latest_net_G.pth: not a whole PyTorch file"),
        ([1, 2], "not a plain state_dict"),
        ({"model.model.0.weight": 3}, "not a plain state_dict"),
    ],
)
def test_what_is_no_state_dict_is_told(tmp_path, content, told):
    path = tmp_path / "latest_net_G.pth"
    if content == "truncated":
        whole = (GOLDEN / "generator-unet_128-batch-3ch.pth").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ImtransError, match=told):
        recognise(path)


def test_an_existing_output_is_left_alone(facades, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    file = GOLDEN / "generator-unet_128-batch-3ch.pth"
    with pytest.raises(ImtransError, match="exists already"):
        import_weights([file], facades, catalog(), tmp_path / "out")
    assert (tmp_path / "out" / "precious").read_text() == "mine"


# --- CycleGAN: two generators, told apart by the names of their files ---


@pytest.fixture(scope="module")
def horses():
    if "cyclegan" not in catalog().methods:
        pytest.skip("not installed: pip install -e plugins/imtrans-cyclegan")
    return recipes.read("horse2zebra", catalog=catalog())


@pytest.fixture
def both(tmp_path):
    """Files of two different generators under their published names, each in a folder of its own:
    the name alone says which is which."""
    files = {}
    for letter in "AB":
        state = golden("generator-resnet_9blocks-instance-3ch")
        state["model.1.bias"] = torch.full_like(state["model.1.bias"], ord(letter))
        (tmp_path / letter).mkdir()
        files[letter] = stored(state, tmp_path / letter, f"latest_net_G_{letter}.pth")
    return files


def letter_of(folder, name):
    """Which of the two files a translator was filled from."""
    tensors = read_tensors(folder / f"{name}.safetensors")
    return chr(int(tensors["encoder.1.bias"][0]))


@pytest.mark.parametrize("order", ["AB", "BA"])
@pytest.mark.parametrize(("direction", "forward"), [("AtoB", "A"), ("BtoA", "B")])
def test_two_generators_become_the_translators_of_their_directions(
    horses, both, tmp_path, order, direction, forward
):
    recipe = recipes.read("horse2zebra", [f"data.direction={direction}"], catalog())
    output = tmp_path / "out"
    import_weights([both[letter] for letter in order], recipe, catalog(), output)
    assert letter_of(output, "generator") == forward
    assert letter_of(output, "generator_back") == ("B" if forward == "A" else "A")
    header = read_header(output / "generator.safetensors")
    assert header.translators == ["generator", "generator_back"]
    assert header.recipe(catalog()).generator.options["width"] == 4
    sizes = {
        load(output, translator=name)(Image.new("RGB", (50, 30))).size
        for name in header.translators
    }
    assert sizes == {(50, 30)}


def test_one_generator_translates_one_way(horses, both, tmp_path):
    import_weights([both["A"]], horses, catalog(), tmp_path / "out")
    assert read_header(tmp_path / "out" / "generator.safetensors").translators == ["generator"]
    with pytest.raises(ImtransError, match="no translator 'generator_back'; there are 'generator'"):
        load(tmp_path / "out", translator="generator_back")


def test_a_generator_of_the_other_direction_alone_says_how_it_would_be_the_first(
    horses, both, tmp_path
):
    with pytest.raises(ImtransError, match=r"give the other .* or --set data.direction=BtoA"):
        import_weights([both["B"]], horses, catalog(), tmp_path / "out")
    turned = recipes.read("horse2zebra", ["data.direction=BtoA"], catalog())
    import_weights([both["B"]], turned, catalog(), tmp_path / "out")
    assert letter_of(tmp_path / "out", "generator") == "B"


def test_two_files_whose_names_do_not_tell_them_apart_are_refused(horses, both, tmp_path):
    names = [both[letter].rename(tmp_path / f"mine_{letter}.pth") for letter in "AB"]
    with pytest.raises(ImtransError, match="mine_A.pth and .*mine_B.pth.*_G_A.*_G_B"):
        import_weights(names, horses, catalog(), tmp_path / "out")
    # One alone is the generator: whoever gives it says so with the recipe.
    import_weights(names[1:], horses, catalog(), tmp_path / "out")
    assert letter_of(tmp_path / "out", "generator") == "B"


def test_generators_that_differ_do_not_fit_one_recipe(horses, both, tmp_path):
    other = golden("generator-resnet_6blocks-batch-3ch")
    torch.save(other, both["B"])
    with pytest.raises(ImtransError, match=r"latest_net_G_B.pth: .*resnet_6.*resnet_9"):
        import_weights(list(both.values()), horses, catalog(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_discriminator_of_cyclegan_is_refused_with_the_reason(horses, both, tmp_path):
    state = golden("discriminator-basic-batch-6ch")
    state["model.0.weight"] = state["model.0.weight"][:, :3].clone()
    file = stored(state, tmp_path, "latest_net_D_A.pth")
    with pytest.raises(ImtransError, match="latest_net_D_A.pth: holds a discriminator; .* leave"):
        import_weights([both["A"], file], horses, catalog(), tmp_path / "out")


def test_channels_follow_the_weights_in_both_directions(horses, both, tmp_path):
    overrides = ["method.identity=0.0"]
    recipe = recipes.read("horse2zebra", overrides, catalog())
    a, b = (torch.load(both[letter], weights_only=True) for letter in "AB")
    a["model.1.weight"] = a["model.1.weight"][:, :1].clone()  # grey to colour, and back
    last = [key for key in b if key.startswith("model.26.")]
    b |= {key: b[key][:1].clone() for key in last}
    torch.save(a, both["A"])
    torch.save(b, both["B"])
    import_weights(list(both.values()), recipe, catalog(), tmp_path / "out")
    back = load(tmp_path / "out", translator="generator_back")
    assert back(Image.new("RGB", (40, 40))).mode == "L"


def test_the_files_of_cyclegan_come_in_by_the_command_line(horses, both, imtrans, tmp_path):
    code, out, err = imtrans(
        "import-weights", *both.values(), "--recipe", "horse2zebra", "--output", "weights"
    )
    assert (code, err) == (0, "")
    code, out, _ = imtrans("inspect", "weights")
    assert code == 0
    assert re.search("translators +generator, generator_back", out)
