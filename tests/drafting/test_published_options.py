"""The options of pytorch-CycleGAN-and-pix2pix as recipes: each flag, what is refused, the whole."""

import shutil
from pathlib import Path

import pytest
from drawn import draw_picture, write_pairs
from published_options import CYCLE_GAN, OLD, PIX2PIX, SMALL, printed

from imtrans.api.errors import ImtransError
from imtrans.drafting.published.flags import DEFAULTS, FLAGS, MODELS
from imtrans.drafting.published.importing import import_options
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import values_of

GOLDEN = Path(__file__).parents[1] / "given" / "golden"


@pytest.fixture
def imported(tmp_path):
    def run(options, root=None, **changes):
        path = tmp_path / "train_opt.txt"
        path.write_text(options if isinstance(options, str) else printed(options | changes))
        found = import_options(path, root)
        recipes.parse(found.text, "x.toml", catalog=catalog())  # whatever it is, it can be read
        return found

    return run


def keys(found):
    """What the recipe says, by key; entries of lists without their table."""
    return {choice.path: choice.value for choice in found.choices}


def lost(found):
    return " ".join(found.notes)


def test_the_options_of_facades_are_those_of_the_recipe_facades(imported):
    ours = values_of(recipes.parse(imported(PIX2PIX).text, "x.toml", catalog=catalog()))
    shipped = values_of(recipes.read("facades", catalog=catalog()))
    ours["generator"].pop("dropout")
    for network in ("generator", "discriminator"):
        for key, default in (("width", 64), ("norm", "batch")):
            assert ours[network].pop(key) == default
    for table in (ours, shipped):
        for key in ("title", "reference"):
            del table[key]
        for key in ("log_every", "sample_every", "checkpoint_every"):
            del table["train"][key]
    assert Path(ours["data"].pop("root")) == Path(shipped["data"].pop("root"))
    assert ours == shipped


def test_the_options_of_horse2zebra_are_those_of_its_recipe(imported):
    found = keys(imported(CYCLE_GAN))
    shipped = values_of(recipes.read("horse2zebra", catalog=catalog()))
    assert found["requires"] == shipped["requires"]
    assert found["data.layout"] == shipped["data"]["layout"]
    for table in ("method", "generator", "discriminator"):
        mine = {
            key.removeprefix(f"{table}."): v
            for key, v in found.items()
            if key[: len(table)] == table
        }
        mine.pop("width", None)
        assert mine == shipped[table]
    assert found["train.epochs"] == 200


def test_every_key_has_the_flag_behind_it(imported):
    text = imported(PIX2PIX).text
    assert "weight = 100.0  # --lambda_L1 100.0\n" in text
    assert "# --n_epochs 100, --n_epochs_decay 100\n" in text
    rows = [row for row in text.splitlines() if " = " in row and not row.startswith("#")]
    assert all("# --" in row for row in rows)


def test_names_of_2017_mean_the_same(imported):
    found = imported(OLD)
    values = keys(found)
    assert values["train.epochs"] == 150
    assert values["weight"] == 100.0
    assert "# --lambda_A 100.0" in found.text
    assert values["adversarial.name"] == "vanilla"
    assert values["data.direction"] == "BtoA"
    assert values["train.batch_size"] == 4
    assert not any("no option of" in note for note in found.notes)


# Each flag: the model's options, a change, and what the recipe then has.
CASES = [
    ({"name": "x"}, {"title": "x"}),
    ({"seed": "7"}, {"seed": 7}),
    ({"seed": "None"}, {"seed": None}),
    ({"dataroot": "C:\\pairs"}, {"data.root": "C:\\pairs"}),
    ({"phase": "train2"}, {"data.train": "train2"}),
    ({"direction": "AtoB"}, {"data.direction": "AtoB"}),
    ({"input_nc": "1"}, {"data.source.channels": 1}),
    ({"output_nc": "1"}, {"data.target.channels": 1}),
    ({"load_size": "256"}, {"data.load_size": None, "data.crop_size": 256}),
    ({"load_size": "512", "crop_size": "512"}, {"data.load_size": None, "data.crop_size": 512}),
    ({"crop_size": "300"}, {"data.load_size": None, "data.crop_size": 286}),
    ({"no_flip": "True"}, {"data.flip": False}),
    ({"netG": "unet_128"}, {"generator.name": "unet_128"}),
    ({"netG": "resnet_9blocks"}, {"generator.name": "resnet_9"}),
    ({"netG": "resnet_6blocks"}, {"generator.name": "resnet_6"}),
    ({"ngf": "32"}, {"generator.width": 32}),
    ({"no_dropout": "True"}, {"generator.dropout": 0.0}),
    ({"norm": "instance"}, {"generator.norm": "instance", "discriminator.norm": "instance"}),
    ({"norm": "none"}, {"generator.norm": "none", "train.sync_batch_norm": None}),
    ({"norm": "syncbatch"}, {"generator.norm": "batch", "train.sync_batch_norm": True}),
    ({"netD": "pixel"}, {"discriminator.name": "pixel"}),
    ({"netD": "n_layers"}, {"discriminator.name": "patch_70"}),
    ({"netD": "n_layers", "n_layers_D": "5"}, {"discriminator.name": "patch_286"}),
    (
        {"netD": "n_layers", "n_layers_D": "4"},
        {"discriminator.name": "patch", "discriminator.layers": 4},
    ),
    ({"netD": "basic", "n_layers_D": "4"}, {"discriminator.name": "patch_70"}),
    ({"ndf": "16"}, {"discriminator.width": 16}),
    ({"gan_mode": "lsgan"}, {"adversarial.name": "lsgan"}),
    ({"lambda_L1": "10"}, {"weight": 10.0}),
    ({"n_epochs": "5", "n_epochs_decay": "3"}, {"train.epochs": 8, "train.decay_from": 5}),
    (
        {"n_epochs_decay": "0"},
        {"train.epochs": 100, "train.decay_from": None, "train.schedule": "constant"},
    ),
    ({"n_epochs": "0"}, {"train.decay_from": None, "train.schedule": "linear"}),
    (
        {"lr_policy": "step", "lr_decay_iters": "30"},
        {"train.schedule": "step", "train.decay_every": 30, "train.decay_factor": 0.1},
    ),
    ({"lr_policy": "plateau"}, {"train.decay_every": 6, "train.decay_factor": 0.2}),
    ({"lr_policy": "cosine"}, {"train.schedule": "cosine", "train.decay_from": None}),
    ({"batch_size": "8"}, {"train.batch_size": 8, "train.log_every": 12}),
    ({"batch_size": "200"}, {"train.log_every": 1, "train.checkpoint_every": 25}),
    ({"lr": "1e-4"}, {"train.learning_rate": 1e-4}),
    ({"beta1": "0.9"}, {"train.betas": [0.9, 0.999]}),
    ({"update_html_freq": "10"}, {"train.sample_every": 10}),
    ({"use_wandb": "True", "wandb_project_name": "x"}, {"name": "wandb", "project": "x"}),
]


@pytest.mark.parametrize(("changes", "expected"), CASES, ids=str)
def test_a_flag_becomes_its_key(imported, changes, expected):
    values = keys(imported(PIX2PIX, **changes))
    assert {key: values.get(key) for key in expected} == expected


CYCLE_CASES = [
    ({"lambda_A": "5", "lambda_B": "5"}, {"method.cycle": 5.0}),
    ({"lambda_identity": "0"}, {"method.identity": 0.0}),
    ({"pool_size": "0"}, {"method.pool_size": 0}),
    (
        {"direction": "BtoA"},
        {"data.direction": None, "data.layout.a": "{split}B", "data.layout.b": "{split}A"},
    ),
    ({"dataset_mode": "aligned"}, {"data.layout": "side_by_side", "data.direction": "AtoB"}),
]


@pytest.mark.parametrize(("changes", "expected"), CYCLE_CASES, ids=str)
def test_a_flag_of_cyclegan_becomes_its_key(imported, changes, expected):
    values = keys(imported(CYCLE_GAN, **changes))
    assert {key: values.get(key) for key in expected} == expected


def test_every_flag_with_a_key_is_tried_above():
    tried = {name for changes, _ in [*CASES, *CYCLE_CASES] for name in changes}
    tried |= {"model", "dataset_mode", "preprocess"}  # below
    assert {flag.name for flag in FLAGS if flag.how} - tried == {"print_freq", "save_latest_freq"}
    assert {name for flag in FLAGS for name in (*flag.also, *flag.aside)} <= {f.name for f in FLAGS}


def test_every_default_is_that_of_a_flag_and_every_flag_of_the_file_is_known():
    known = {flag.name for flag in FLAGS}
    assert {*DEFAULTS, *(name for each in MODELS.values() for name in each)} <= known
    assert {*PIX2PIX, *CYCLE_GAN} <= known


@pytest.mark.parametrize(
    "changes",
    [
        {"init_type": "xavier"},
        {"init_gain": "0.1"},
        {"serial_batches": "True"},
        {"max_dataset_size": "100"},
        {"continue_train": "True"},
        {"epoch_count": "50"},
        {"save_by_iter": "True"},
        {"lr_policy": "plateau"},
        {"lr_policy": "cosine"},
        {"lambda_vgg": "10.0"},
    ],
    ids=str,
)
def test_what_cannot_be_said_is_said_to_the_user_and_in_the_recipe(imported, changes):
    name, before = next(iter(changes)), imported(PIX2PIX)
    after = imported(PIX2PIX, **changes)
    assert f"--{name} " in lost(after)
    assert len(after.notes) == len(before.notes) + 1
    assert f"# - --{name} " in after.text


def test_an_unknown_flag_is_named_with_its_value_and_the_nearest(imported):
    assert "--lamda_L1 3: no option of the published code; did you mean 'lambda_L1'" in lost(
        imported(PIX2PIX, lamda_L1="3")
    )


def test_every_option_of_the_file_is_a_key_a_note_or_left_out_with_its_reason(imported):
    found = imported(PIX2PIX)
    left = {name for names in found.left.values() for name in names}
    read = {name for flag in FLAGS if flag.how for name in (flag.name, *flag.also, *flag.aside)}
    nothing_lost = {flag.name for flag in FLAGS if flag.usual is not None}
    assert set(PIX2PIX) - left - read - nothing_lost == set()
    assert {"display_id", "num_threads", "pool_size"} <= left


def test_colorization_becomes_photographs_and_lab(imported):
    changes = {"model": "colorization", "dataset_mode": "colorization"}
    values = keys(imported(PIX2PIX, **changes, input_nc="1", output_nc="2", direction="AtoB"))
    assert (values["data.layout"], values["data.derive"]) == ("photos", "lab")
    assert not {"data.direction", "data.source.channels", "data.target.channels"} & values.keys()


def test_a_file_of_a_test_says_that_it_is_one(imported):
    options = {k: v for k, v in PIX2PIX.items() if not k.startswith(("n_epochs", "lr", "gan"))}
    options |= {"phase": "test", "isTrain": "False", "num_test": "50", "load_size": "256"}
    found = imported(options)
    assert "train_opt.txt beside it" in lost(found)
    assert keys(found)["train.epochs"] == 200
    assert "data.train" not in keys(found)
    assert "# --n_epochs 100, by default" in found.text
    one_sided = imported(
        {"model": "test", "dataset_mode": "single", "dataroot": "x", "eval": "True"}
    )
    assert "no training" in lost(one_sided)
    assert "--eval True" in lost(one_sided)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("crop", ("square", [90, 120], 64)),
        ("none", ("square", None, [88, 120])),
        ("scale_width", ("square", None, [75, 100])),
        ("scale_width_and_crop", ("square", [75, 100], 64)),
        ("resize_and_crop", ("square", 100, 64)),
    ],
)
def test_files_are_loaded_as_the_mode_does(imported, tmp_path, mode, expected):
    write_sized(tmp_path / "train", (240, 90))
    found = imported(PIX2PIX, root=str(tmp_path), preprocess=mode, load_size="100", crop_size="64")
    data = recipes.parse(found.text, "x", catalog=catalog()).data
    load = None if data.load_size is None else values_of_size(data.load_size)
    assert (data.resize, load, values_of_size(data.crop_size)) == expected
    assert "differ" not in lost(found)


def test_files_of_several_sizes_are_brought_to_the_one_in_the_middle(imported, tmp_path):
    for number, size in enumerate([(240, 90), (200, 90), (160, 90)]):
        write_sized(tmp_path / "train", size, f"{number}.png")
    found = imported(PIX2PIX, root=str(tmp_path), preprocess="crop", crop_size="64")
    assert keys(found)["data.resize"] == "shorter"
    assert keys(found)["data.load_size"] == [90, 100]
    assert "--preprocess crop depends on each file's size" in lost(found)


def test_where_the_files_are_not_there_their_sizes_are_asked_for(imported):
    with pytest.raises(ImtransError, match="--root DIR"):
        imported(PIX2PIX, preprocess="crop")


def write_sized(folder, size, name="1.png"):
    folder.mkdir(exist_ok=True)
    draw_picture(1, size).save(folder / name)


def values_of_size(size):
    return size if isinstance(size, int) else list(size)


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "pix2pixHD"}, "--model 'pix2pixHD' is none"),
        ({"netG": "unet_512"}, "--netG 'unet_512' is none"),
        ({"netD": "multi"}, "--netD 'multi' is none"),
        ({"netD": "n_layers", "n_layers_D": "0"}, "--n_layers_D 0"),
        ({"norm": "layer"}, "--norm 'layer' is none"),
        ({"gan_mode": "wgangp"}, "hinge is the nearest"),
        ({"gan_mode": "bce"}, "--gan_mode 'bce' is none"),
        ({"dataset_mode": "mine"}, "--dataset_mode 'mine' is none"),
        ({"dataset_mode": "unaligned"}, "do not belong together"),
        ({"direction": "CtoA"}, "neither 'AtoB' nor 'BtoA'"),
        ({"preprocess": "pad"}, "--preprocess 'pad' is none"),
        ({"lr_policy": "exp"}, "--lr_policy 'exp' is none"),
        ({"lr_policy": "step", "lr_decay_iters": "0"}, "--lr_decay_iters 0"),
        ({"batch_size": "two"}, "--batch_size 'two' is not a whole number"),
        ({"batch_size": "9" * 400}, "is not a whole number"),
        ({"lr": "fast"}, "--lr 'fast' is not a number"),
        ({"lambda_L1": "inf"}, "--lambda_L1 'inf' is not a number"),
        ({"lr": "0"}, "--lr 0 is not above 0"),
        ({"ngf": "0"}, "--ngf 0 is not 1 or more"),
        ({"batch_size": "0"}, "--batch_size 0 is not 1 or more"),
        ({"lambda_L1": "-1"}, "--lambda_L1 -1 is below 0"),
        ({"beta1": "1"}, "--beta1 1 is not from 0 to below 1"),
        ({"netG": ""}, "--netG '' is none"),
        ({"no_flip": "maybe"}, "neither True nor False"),
        ({"n_epochs": "0", "n_epochs_decay": "0"}, "nothing is trained"),
        ({"crop_size": "0"}, "a pixel or more"),
        ({"input_nc": "0"}, "a channel or more"),
    ],
    ids=str,
)
def test_what_no_recipe_can_say_is_refused_with_its_line(imported, changes, said):
    with pytest.raises(ImtransError, match="problem") as error:
        imported(PIX2PIX, **changes)
    assert said in str(error.value)
    assert "  line " in str(error.value)


def test_weights_of_both_ways_that_differ_are_refused(imported):
    with pytest.raises(ImtransError, match="one weight for both ways"):
        imported(CYCLE_GAN, lambda_B="5")


def test_all_problems_are_said_at_once(imported):
    with pytest.raises(ImtransError, match="3 problems"):
        imported(PIX2PIX, netG="a", netD="b", lr_policy="c")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no options in it"),
        (b"hello world\n", "no options in it"),
        (b"colour: red\n", "no option of pytorch-CycleGAN-and-pix2pix"),
        (b"\x80\x02}q\x00.", "not a text file"),
        (b"batch_size: 1\0\n", "not a text file"),
        (b"x" * 1_000_001, "larger than 1 MB"),
        (b"batch_size: 1\nbatch_size: 2\n", "'batch_size' is given twice, again in line 2"),
        (b"batch_size: 1\nbatchSize: 2\n", "again in line 2, there as 'batchSize'"),
        (b"model: pix2pix\n", "--dataroot is missing"),
        (b"python train.py --dataroot 'x\n", "not a line of flags: No closing quotation"),
        (
            b"--dataroot my pairs --model pix2pix",
            "'pairs' belongs to no flag, after '--dataroot my'",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_a_file_that_holds_no_options_is_one_line(tmp_path, content, said):
    path = tmp_path / "train_opt.txt"
    path.write_bytes(content)
    with pytest.raises(ImtransError) as error:
        import_options(path)
    assert said in str(error.value)


def test_a_file_of_weights_and_one_that_is_not_there_are_named(tmp_path):
    (tmp_path / "latest_net_G.pth").touch()
    with pytest.raises(ImtransError, match="holds weights, which `imtrans import-weights` reads"):
        import_options(tmp_path / "latest_net_G.pth")
    for path in (tmp_path, tmp_path / "train_opt.txt"):
        with pytest.raises(ImtransError, match=r"train_opt\.txt: no such file"):
            import_options(path)


# --- other forms -------------------------------------------------------------------------------

SCRIPT = """set -ex
python train.py --dataroot ./datasets/facades --name facades_pix2pix --model=pix2pix \\
  --netG resnet_9blocks --direction BtoA --lambda_L1 100 --no_dropout --gpu_ids -1  # by night
"""


def test_a_command_is_read_as_its_flags_and_the_defaults_of_its_model(imported):
    found = imported(SCRIPT)
    values = keys(found)
    assert values["generator.name"] == "resnet_9"
    assert values["generator.dropout"] == 0.0
    assert values["data.direction"] == "BtoA"
    assert (values["generator.norm"], values["adversarial.name"]) == ("batch", "vanilla")
    assert "--norm batch, by default" in found.text
    assert found.left[next(iter(found.left))] == ["gpu_ids"]


def test_a_log_is_read_between_its_lines(imported):
    log = "setting up\n" + printed(PIX2PIX) + "dataset size: 400\nmodel: broken\n(epoch: 1) --x 1\n"
    assert keys(imported(log)) == keys(imported(PIX2PIX))
    spaced = printed(PIX2PIX, PIX2PIX).replace("\t", "   ").replace("\n", "\r\n")
    assert keys(imported(spaced)) == keys(imported(PIX2PIX))


# --- the whole way -----------------------------------------------------------------------------


def test_an_experiment_is_carried_over(imtrans, tmp_path):
    """checkpoints/NAME becomes a recipe and a checkpoint, which translates and trains."""
    experiment = tmp_path / "checkpoints" / "plans"
    experiment.mkdir(parents=True)
    small = SMALL | {"name": "plans", "dataroot": "./pairs", "n_epochs": "1", "n_epochs_decay": "0"}
    (experiment / "train_opt.txt").write_text(printed(PIX2PIX | small))
    for name, file in (
        ("latest_net_G.pth", "generator-unet_128-batch-3ch.pth"),
        ("latest_net_D.pth", "discriminator-basic-batch-6ch.pth"),
    ):
        shutil.copy(GOLDEN / file, experiment / name)
    write_pairs(tmp_path / "pairs" / "train", 2)
    code, out, err = imtrans("import-recipe", "checkpoints/plans")
    assert (code, err) == (0, "")
    assert "pix2pix, unet_128 + patch_70, vanilla + 100 l1" in out
    command = next(row.split()[1:] for row in out.splitlines() if "import-weights" in row)
    assert imtrans(*command)[0] == 0
    draw_picture(3, (50, 40)).save(tmp_path / "house.png")
    code, _, err = imtrans(
        "translate", "--checkpoint", "plans-published", "house.png", "--output", "o.png"
    )
    assert (code, err) == (0, "")
    assert imtrans("check", "plans.toml")[0] == 0
    code, out, _ = imtrans("train", "plans.toml", "--set", "train.init_from=plans-published")
    assert code == 0
    assert "2 steps trained" in out


def test_nothing_is_overwritten_and_no_recipe_has_another_name(imtrans, tmp_path):
    (tmp_path / "train_opt.txt").write_text(printed(PIX2PIX | {"name": "../a b"}))
    assert imtrans("import-recipe", "train_opt.txt", "--root", "elsewhere")[0] == 0
    assert 'root      = "elsewhere"' in (tmp_path / "a-b.toml").read_text()
    code, _, err = imtrans("import-recipe", "train_opt.txt")
    assert (code, "is there already" in err) == (2, True)
    code, _, err = imtrans("import-recipe", "train_opt.txt", "-o", "x.txt")
    assert (code, "a recipe is a .toml file" in err) == (2, True)
    assert not (tmp_path / "x.txt").exists()
