"""The command line as a user meets it: help, ways through, and one clear line for each mistake."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from drawn import draw_picture, write_pairs
from PIL import Image

import imtrans as public
from imtrans.api.listener import Measured
from imtrans.api.pictures import Picture
from imtrans.cli.main import app
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import encode
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog

GOLDEN = Path(__file__).parents[1] / "given" / "golden"

COMMANDS = [
    ("train",),
    ("translate",),
    ("export",),
    ("serve",),
    ("check",),
    ("init",),
    ("doctor",),
    ("bench",),
    ("bench", "train"),
    ("runs",),
    ("runs", "list"),
    ("runs", "clean"),
    ("runs", "compare"),
    ("report",),
    ("card",),
    ("push",),
    ("recipes",),
    ("recipes", "list"),
    ("recipes", "show"),
    ("plugins",),
    ("plugins", "list"),
    ("plugins", "show"),
    ("inspect",),
    ("evaluate",),
    ("compare",),
    ("sweep",),
    ("train-scorer",),
    ("data", "check"),
    ("data", "show"),
    ("data", "bench"),
    ("data", "cache"),
    ("data", "fetch"),
    ("import-weights",),
    ("import-recipe",),
    ("quickstart",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(imtrans, command):
    code, out, _ = imtrans(*command, "--help")
    assert code == 0
    assert re.search(rf"Example: .?imtrans {' '.join(command)}", out.replace("`", ""))


def test_every_command_is_among_those_with_an_example():
    names = {info.name or info.callback.__name__ for info in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    assert names == {command[0] for command in COMMANDS}


def test_the_version_is_printed(imtrans):
    assert imtrans("--version")[:2] == (0, f"imtrans {public.__version__}\n")


def size(path):
    with Image.open(path) as image:
        return image.size


def test_from_a_recipe_to_a_translated_folder(imtrans, tiny_file, tmp_path):
    code, out, err = imtrans("train", tiny_file)
    assert (code, err) == (0, "")
    assert "6 pairs, 3 for validation" in out
    assert "12 steps trained: runs/tiny/checkpoints/step_00000012" in out
    for number in range(3):
        (tmp_path / "photos" / "sub").mkdir(parents=True, exist_ok=True)
        draw_picture(number, (50 + number, 33)).save(tmp_path / "photos" / "sub" / f"{number}.png")
    code, out, err = imtrans("translate", "--recipe", "tiny", "photos")
    assert (code, err) == (0, "")
    assert re.search(r"^3 images in photos-tiny \([\d.]+ images/s\)$", out, re.MULTILINE)
    assert size(tmp_path / "photos-tiny" / "sub" / "2.png") == (52, 33)
    code, out, _ = imtrans("inspect", "runs/tiny")
    assert code == 0
    assert "12 steps, 2 epochs" in out


def test_training_names_the_best_generator_where_it_is_not_the_last(
    imtrans, tiny_file, monkeypatch
):
    values = iter([9.0, 0.5, 0.08476, 0.4])
    monkeypatch.setattr(
        "imtrans.training.validation.Validation.found",
        lambda self: {"l1": Measured(next(values), False)},
    )
    code, out, _ = imtrans("train", tiny_file, "--set", "validate.every=4")
    assert code == 0
    assert out.splitlines()[-4:] == [
        "12 steps trained: runs/tiny/checkpoints/step_00000012",
        "translate with: imtrans translate --checkpoint runs/tiny INPUT",
        "best on validation pairs: step 8, l1 0.08476; add --best to translate with it",
        "report: runs/tiny/report.html",
    ]


def test_training_names_no_best_where_the_last_is(imtrans, tiny_file, monkeypatch):
    values = iter([9.0, 0.5, 0.4, 0.3])
    monkeypatch.setattr(
        "imtrans.training.validation.Validation.found",
        lambda self: {"l1": Measured(next(values), False)},
    )
    assert "--best" not in imtrans("train", tiny_file, "--set", "validate.every=4")[1]


@pytest.mark.parametrize("tiny_engine", ["auto"])
def test_a_run_says_in_plain_words_what_it_is_and_how_to_train_longer(imtrans, tiny_file):
    out = imtrans("train", tiny_file)[1]
    assert "generator 32 k, discriminator 1 k parameters; cpu, fast, fp32" in out
    assert "data wait " in out
    assert "ETA 0:00:0" in out
    out = imtrans("train", tiny_file)[1]
    assert "step_00000012: finished; to train longer: --set train.epochs=4\n" in out
    assert "continuing after" in imtrans("train", tiny_file, "--set", "train.epochs=4")[1]


def test_inspect_says_that_checksums_are_ok(imtrans, trained):
    out = imtrans("inspect", trained)[1]
    assert re.search(r"^checked +checksums ok$", out, re.MULTILINE)
    assert re.search(r"^generator +\d+ tensors, [\d,]+ values, ", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", "Show the full recipe and the estimated memory, disk and time, then exit."),
        ("train", "Start over; the old run is renamed to NAME.old-1."),
        ("train", "default: cuda, else mps, else cpu."),
        ("runs clean", "Delete leftovers: half-written files, damaged checkpoints."),
        ("data bench", "`imtrans bench train` measures the step.".replace("`", "")),
        ("data cache", "They are in ~/.cache/imtrans"),
    ],
)
def test_help_says_it_in_plain_words(imtrans, command, words):
    out = imtrans(*command.split(), "--help")[1]
    assert words in " ".join(out.replace("│", " ").split())


def test_the_layout_folders_speaks_of_extensions(imtrans):
    out = imtrans("plugins", "show", "folders")[1]
    assert "the extension may differ (a.jpg, a.png)" in out


@pytest.fixture
def trained(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


def test_several_checkpoints_are_inspected_one_below_the_other(imtrans, trained):
    code, out, err = imtrans("inspect", trained, trained / "checkpoints" / "step_00000008")
    assert (code, err) == (0, "")
    found = [line.split()[1] for line in out.splitlines() if line.startswith("checkpoint ")]
    assert [path.split("/")[-1] for path in found] == ["step_00000012", "step_00000008"]


def test_a_hint_names_a_file_that_there_could_be(imtrans, tiny_file):
    keys = ("data.layout=folders", "data.layout.a='.'", "data.layout.b='.'", "data.train='.'")
    _, out, err = imtrans("check", tiny_file, *(part for key in keys for part in ("--set", key)))
    assert 'a list of files: "train.txt"' in out + err


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        draw_picture(number, (20, 20)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def test_a_broken_image_is_skipped_by_name_with_exit_code_1(imtrans, trained, photos):
    (photos / "1.png").write_bytes(b"broken")
    code, out, err = imtrans("translate", "--recipe", "tiny", "photos", "--output", "out")
    assert code == 1
    assert "1 image in out, 1 skipped" in out
    assert "skipped: photos/1.png: not an image" in err


def test_one_image_is_translated_too(imtrans, trained, photos, tmp_path):
    code, out, _ = imtrans("translate", "--checkpoint", trained, "photos/0.png", "--output", "out")
    assert code == 0
    assert (tmp_path / "out" / "0.png").is_file()


@pytest.mark.parametrize("options", [("--precision", "bf16"), ("--dropout-seed", 1)])
def test_options_of_translate_are_taken(imtrans, trained, photos, options):
    code, _, err = imtrans(
        "translate", "--checkpoint", trained, "photos", "--output", "o", *options
    )
    assert code == 0
    # They are 20 px; it was trained on halves of 80 px.
    assert err.startswith("note: photos/0.png: 20 x 20 px is far from what training saw")
    assert err.count("\n") == 1


def test_recipes_are_listed_and_shown(imtrans, tiny_file, tmp_path):
    code, out, _ = imtrans("recipes")
    assert code == 0
    assert re.search(r"edges2shoes +\S.* unet_256 \+ patch_70 +15 *\n", out)
    _, shown, _ = imtrans("recipes", "show", "maps")
    assert "# " in shown
    (tmp_path / "mine.toml").write_text(shown)
    assert imtrans("recipes", "show", "mine.toml", "--resolved")[0] == 0
    (tmp_path / "recipes").mkdir()
    shutil.copy(tiny_file, tmp_path / "recipes" / "local.toml")
    assert "local" in imtrans("recipes")[1]


def test_plugins_are_listed_and_shown(imtrans):
    code, out, _ = imtrans("plugins")
    assert code == 0
    assert re.search(r"generator +unet_256 +imtrans [\d.]+ +width, norm, dropout", out)
    for role, registry in catalog().registries.items():
        for component in registry:
            assert re.search(rf"{role} +{component.name} ", out), (role, component.name)
    _, out, _ = imtrans("plugins", "show", "pix2pix")
    assert out.startswith("method 'pix2pix'\n")
    assert "discriminator_steps: int, >= 1 (default 1)" in out
    assert "discriminator_rate: float, > 0 (default 1.0)" in out
    _, out, _ = imtrans("plugins", "show", "l1")  # which two roles have
    assert re.findall(r"^(\w+) 'l1'", out, re.MULTILINE) == ["loss", "metric"]
    _, out, _ = imtrans("plugins", "show", "unet_256")
    assert "width: int, >= 1 (default 64)" in out
    assert "norm: 'batch' or 'instance' or 'none' (default batch)" in out
    assert "imtrans.components.generators.unet (imtrans " in out
    code, _, err = imtrans("plugins", "show", "unet_257")
    assert code == 2
    assert err.startswith("error: no component 'unet_257'; did you mean 'unet_256' or ")


def test_published_weights_are_imported_and_translate(imtrans, photos, tmp_path):
    golden = str(GOLDEN)
    code, out, err = imtrans(
        *("import-weights", f"{golden}/generator-unet_128-batch-3ch.pth"),
        *("--recipe", "facades", "--output", "published"),
    )
    assert (code, err) == (0, "")
    assert "generator unet_128 (width 4, norm batch)" in out
    assert imtrans("inspect", "published")[0] == 0
    assert imtrans("translate", "--checkpoint", "published", "photos", "--output", "o")[0] == 0


def test_colorize_trains_and_translates_grey_and_colour(imtrans, tmp_path):
    write_pairs(tmp_path / "data" / "train", 4)
    small = ["generator.name=resnet_6", "generator.width=4", "discriminator.name=pixel"]
    small += ["data.root=data", "data.crop_size=64", "train.epochs=1", "data.workers=0"]
    overrides = [part for key in small for part in ("--set", key)]
    code, out, err = imtrans("train", "colorize", *overrides)
    assert (code, err) == (0, "")
    (tmp_path / "in").mkdir()
    draw_picture(1, (40, 30)).save(tmp_path / "in" / "colour.png")
    draw_picture(1, (40, 30)).convert("L").save(tmp_path / "in" / "grey.png")
    assert imtrans("translate", "--recipe", "colorize", "in", "--output", "out")[0] == 0
    assert size(tmp_path / "out" / "grey.png") == (40, 30)


@pytest.fixture
def identity(tmp_path):
    """Train for a moment on five bands of 16 bits; the generator itself plays no part."""
    for letter in "AB":
        for name in ("1", "2"):
            bands = torch.randint(0, 65536, (5, 40, 40), dtype=torch.int32)
            folder = tmp_path / "bands" / f"train{letter}"
            folder.mkdir(parents=True, exist_ok=True)
            encode(bands, folder / f"{name}.tif", "uint16")
    side = '{channels = 5, dtype = "uint16"}'
    small = ["data.root=bands", "data.layout=folders", f"data.source={side}", f"data.target={side}"]
    return [part for key in small for part in ("--set", key)]


def test_five_bands_of_16_bits_are_trained_on_and_translated(
    imtrans, tiny_file, identity, tmp_path
):
    code, _, err = imtrans("train", tiny_file, *identity)
    assert (code, err) == (0, "")
    source = "bands/trainA"
    assert imtrans("translate", "--recipe", "tiny", source, "--output", "out")[0] == 0
    result = decode(Picture(str(tmp_path / "out" / "1.tif")), PixelSpec(5, "uint16"))
    assert result.shape == (5, 40, 40)


def test_check_says_what_a_recipe_builds_has_and_does(imtrans, tiny_file, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = imtrans("check", tiny_file)
    assert (code, err) == (0, "")
    recipe, components, data, scale, step = out.splitlines()
    assert recipe.split() == ["ok", "recipe", str(tiny_file)]
    assert "pix2pix, resnet_6 + patch_16, vanilla + 100 l1 (generator " in components
    assert "sizes in multiples of 4, discriminator sees 16 px" in components
    assert data.endswith("6 pairs to train on, 3 for validation")
    assert "resized by 0.8 across and 1 down, as in training on files of 80 x 64 px" in scale
    assert re.search(r"on the first pairs, cpu, .* s: d [\d.]+  g [\d.]+  l1 [\d.]+", step)
    assert sorted(tmp_path.rglob("*")) == before  # nothing is trained or kept


def test_check_names_a_metric_and_a_logger_that_are_not_there(imtrans, tiny_file):
    wrong = ("--set", 'validate.metrics=["l1", "lpisp"]', "--set", 'logger=["tensorbaord"]')
    code, _, err = imtrans("check", tiny_file, *wrong)
    assert code == 2
    assert "validate.metrics.1.name: no metric 'lpisp'" in err
    assert "logger.0.name: no logger 'tensorbaord'" in err


def test_inspect_describes_a_run_and_names_what_translates(imtrans, trained):
    code, out, err = imtrans("inspect", "runs/tiny")
    assert (code, err) == (0, "")
    table, recipe = out.split("\n\n", 1)
    rows = dict(line.split(maxsplit=1) for line in table.splitlines())
    assert rows["checkpoint"] == "runs/tiny/checkpoints/step_00000012"
    assert rows["trained"] == "12 steps, 2 epochs"
    assert rows["sizes"].startswith("multiples of 4 px")
    assert rows["translators"] == "generator"
    assert rows["plugins"] == "none but imtrans itself"
    assert {"generator", "discriminator", "training"} <= {*rows}
    assert recipes.parse(recipe, "inspect", (), catalog()).title == "tiny"
    code, out, _ = imtrans("inspect", "runs/tiny/checkpoints/best")
    assert (code, "\ntraining " in out.split("\n\n")[0]) == (0, False)


def test_check_reports_all_that_is_wrong_at_once(imtrans, tiny_file):
    code, out, _ = imtrans("check", tiny_file, "--set", "data.root=none")
    assert code == 2
    assert "error   data         none: no such folder" in out
    assert "ok      one step     on noise" in out


def test_metrics_are_lines_of_json(trained):
    for row in (trained / "metrics.jsonl").read_text().splitlines():
        assert json.loads(row)["step"]
