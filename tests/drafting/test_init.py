"""`imtrans init`: from raw files to a recipe that trains, however the pairs are kept."""

import tomllib

import pytest
from drawn import draw_picture
from kept_sets import (
    SETS,
    deep,
    greenhouse,
    negative,
    photo,
    photographs,
    save,
    sheet_of_a_spreadsheet,
    stains_in_one_folder,
    tree_of_subjects,
)
from PIL import Image, ImageDraw

from imtrans.checking.data.guess import guess
from imtrans.drafting import machine
from imtrans.drafting.draft import draft
from imtrans.drafting.machine import Cost, Machine
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog

SMALL = [
    *("generator.width=4", "discriminator.width=4", "train.epochs=1", "train.decay_from=1"),
    *("generator.name=resnet_6", "train.precision=fp32", "data.workers=0"),
]


TRAINED = [*SETS][::4]


@pytest.fixture(autouse=True)
def known_machine(monkeypatch):
    """A machine on which every step takes 10 ms: nothing is timed, which takes seconds."""
    monkeypatch.setattr(machine, "this_machine", lambda: Machine(name="a known machine"))
    monkeypatch.setattr(machine, "cost", lambda recipe, catalog: Cost(0.01, fits=True))


@pytest.mark.parametrize(
    "kept",
    [kept if kept in TRAINED else pytest.param(kept, marks=pytest.mark.soak) for kept in SETS],
    ids=lambda kept: kept.__name__,
)
def test_raw_files_train_with_two_commands(imtrans, tmp_path, kept):
    kept(tmp_path / "set")
    code, out, err = imtrans("init", "set")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "  imtrans train set.toml"
    data = tomllib.loads((tmp_path / "set.toml").read_text())["data"]
    assert {key: data.get(key) for key in SETS[kept]} == SETS[kept]
    small = [word for key in SMALL for word in ("--set", key)]
    code, out, err = imtrans("train", "set.toml", *small)
    assert (code, err) == (0, "")
    assert "steps trained" in out
    assert "warning" not in out


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(stains_in_one_folder, marks=pytest.mark.thorough),
        pytest.param(greenhouse, marks=pytest.mark.soak),
    ],
    ids=lambda kept: kept.__name__,
)
def test_the_recipe_passes_the_checks_as_it_is_written(imtrans, tmp_path, kept):
    kept(tmp_path / "set")
    imtrans("init", "set")
    code, out, _ = imtrans("check", "set.toml")
    assert code == 0
    assert all(line.startswith("ok") for line in out.splitlines())
    code, out, _ = imtrans("data", "check", "set.toml", "--set", "data.workers=0")
    assert code == 0
    assert "of its range" not in out


def test_a_table_whose_paths_begin_elsewhere_names_the_root_alone(imtrans, tiny_file, tmp_path):
    sheet_of_a_spreadsheet(tmp_path / "set")
    layout = '{name="table", file="list.csv", source="Label map", target="Photo", split="Split"}'
    keys = [f"data.root={tmp_path / 'set'}", f"data.layout={layout}", "data.train=Train"]
    code, _, err = imtrans("train", tiny_file, *(word for key in keys for word in ("--set", key)))
    assert code == 2
    assert err.splitlines()[-1] == (
        f"these files are below '{tmp_path}': set data.root = \"{tmp_path}\" and "
        'data.layout.file = "set/list.csv"'
    )


def test_every_choice_about_the_data_has_its_reason(imtrans, tmp_path):
    tree_of_subjects(tmp_path / "set")
    imtrans("init", "set")
    lines = (tmp_path / "set.toml").read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith(("#", "title", "a ", "b ")):
            assert "  # " in line or lines[number - 1].startswith("# "), line
        assert len(line) <= 100


def test_the_side_that_is_given_may_be_named(imtrans, tmp_path):
    stains_in_one_folder(tmp_path / "set")
    _, out, _ = imtrans("init", "set")
    assert "the source is 'he'; to learn from 'ihc' to 'he': --source ihc" in out
    code, out, _ = imtrans("init", "set", "--source", "IHC", "-o", "turned.toml")
    assert code == 0
    recipe = recipes.read("turned.toml", catalog=catalog())
    assert recipe.data.direction == "BtoA"
    assert recipe.title == "set: ihc to he"


def test_a_further_side_may_be_the_source(imtrans, tmp_path):
    greenhouse(tmp_path / "set")
    _, out, _ = imtrans("init", "set")
    assert "further sides are there, which are not used: --source nir" in out
    imtrans("init", "set", "--source", "nir", "-o", "nir.toml")
    data = recipes.read("nir.toml", catalog=catalog()).data
    assert data.layout.options == {"a": "*/*/{name}/nir.tif", "b": "*/*/{name}/rgb.jpg"}
    assert (data.source.dtype, data.source.channels, data.direction) == ("uint16", 1, "AtoB")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent"], "absent: no such folder"),
        (["pairs.csv"], "pairs.csv: is a file. name the folder that the pairs are in"),
        (["set", "--source", "ich"], "no side 'ich'; did you mean 'ihc'?; the sides are 'he', 'i"),
        (["set", "-o", "set.txt"], "'set.txt': a recipe is a .toml file"),
        (["empty"], "empty: no pairs there"),
        (["deep"], "single pictures, 16-bit grey; a source can be derived from 8-bit photographs"),
        (["strangers"], "it does not show which pictures are pairs. give partners the same name"),
    ],
)
def test_what_cannot_be_drafted_is_explained(imtrans, tmp_path, arguments, said):
    stains_in_one_folder(tmp_path / "set")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pairs.csv").touch()
    for side, names in (("A", ("oak", "elm", "ash")), ("B", ("cod", "eel", "bass"))):
        for number, name in enumerate(names):
            save(photo(number), tmp_path / "strangers" / f"train{side}" / f"{name}.png")
    save(deep(1, 60_000), tmp_path / "deep" / "1.png")
    code, _, err = imtrans("init", *arguments)
    assert code == 2
    assert said in err
    assert not list(tmp_path.glob("*.toml"))


def test_train_names_the_command_that_continues(imtrans, tmp_path):
    stains_in_one_folder(tmp_path / "set")
    (tmp_path / "set.toml").write_text("mine")
    code, _, err = imtrans("init", "set", "--train")
    assert (code, err) == (
        2,
        "error: set.toml: is there already. to go on: imtrans train set.toml\n",
    )


def test_hours_shorten_the_training(imtrans, tmp_path):
    stains_in_one_folder(tmp_path / "set")
    imtrans("init", "set")
    code, out, _ = imtrans("init", "set", "--hours", "0.001", "-o", "short.toml")
    assert code == 0
    assert "note: it will take about 0:00:0" in out
    long, short = (tomllib.loads((tmp_path / f"{n}.toml").read_text()) for n in ("set", "short"))
    assert short["train"]["epochs"] < long["train"]["epochs"] == 200
    assert short["generator"]["width"] == 16


def test_train_goes_on_to_a_report(imtrans, tmp_path, monkeypatch):
    stains_in_one_folder(tmp_path / "set")
    monkeypatch.setattr(machine, "cost", lambda recipe, catalog: Cost(9.0, fits=True))
    code, out, err = imtrans("init", "set", "--hours", "0.001", "--train")  # one epoch, narrow
    assert (code, err) == (0, "")
    assert "imtrans translate --checkpoint runs/set" in out
    assert (tmp_path / "runs" / "set" / "report.html").exists()


def test_no_file_is_replaced(imtrans, tmp_path):
    stains_in_one_folder(tmp_path / "set")
    (tmp_path / "set.toml").write_text("mine")
    code, _, err = imtrans("init", "set")
    assert code == 2
    assert err == "error: set.toml: is there already. choose another name with -o, or remove it\n"
    assert (tmp_path / "set.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "set/img_003_he.png/x.toml"], "img_003_he.png: is a file, so"),
        (["--hours", "inf"], "--hours inf: a number of hours"),
        (["--hours", "1e308"], "--hours 1e+308: a number of hours"),
        (["--hours", "nan"], "--hours nan: a number of hours"),
        (["--hours", "0"], "--hours 0: a number of hours"),
    ],
    ids=lambda given: given[-1] if isinstance(given, list) else "",
)
def test_a_mistake_is_found_before_anything_is_timed(imtrans, tmp_path, monkeypatch, words, said):
    monkeypatch.setattr(machine, "this_machine", lambda: pytest.fail("it was timed"))
    stains_in_one_folder(tmp_path / "set")
    code, _, err = imtrans("init", "set", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_a_run_is_no_folder_of_pictures(imtrans, finished_run, tmp_path):
    finished_run(tmp_path / "runs" / "done")
    code, _, err = imtrans("init", "runs/done")
    assert (code, err.count("\n")) == (2, 1)
    assert "a run, whose pictures are samples of its training" in err


def test_missing_partners_are_named(imtrans, tmp_path):
    stains_in_one_folder(tmp_path / "set")
    (tmp_path / "set" / "img_003_ihc.png").unlink()
    code, out, _ = imtrans("init", "set")
    assert code == 0
    assert "1 image has no partner, and training refuses that: " in out
    assert "img_003_he.png. add or remove them" in out


def test_names_that_a_recipe_must_quote(imtrans, tmp_path):
    folder = 'my "new" pictures [red]\\'
    for number in range(4):
        save(photo(number), tmp_path / folder / f'{number} "x" in.png')
        save(negative(number), tmp_path / folder / f'{number} "x" out.png')
    code, _, err = imtrans("init", folder)
    assert (code, err) == (0, "")
    data = recipes.read(tmp_path / f"{folder}.toml", catalog=catalog()).data
    assert data.root == folder
    assert data.layout.options["a"] == '{name} "x" in.png'


def test_what_else_it_could_be_is_said(imtrans, tmp_path):
    photographs(tmp_path / "set")
    _, out, _ = imtrans("init", "set")
    assert 'note: if each is a pair, A | B in one file, set data.layout = "side_by_side"' in out


@pytest.mark.parametrize(("size", "layout"), [((150, 100), "photos"), ((200, 100), "side_by_side")])
def test_wide_pictures_are_halves_if_they_have_a_seam_or_are_very_wide(tmp_path, size, layout):
    for number in range(4):
        save(photo(number, size), tmp_path / f"{number}.png")
    assert guess(str(tmp_path)).table["layout"] == layout


def test_pictures_with_a_seam_in_the_middle_are_halves(tmp_path):
    for number in range(4):
        whole = photo(number, (120, 80))
        whole.paste(negative(number, (60, 80)), (60, 0))
        save(whole, tmp_path / f"{number}.png")
    assert guess(str(tmp_path)).table["layout"] == "side_by_side"


def test_a_drawing_is_the_source_where_names_do_not_say_it(imtrans, tmp_path):
    for number in range(4):
        whole = Image.new("RGB", (128, 64), "white")
        whole.paste(photo(number), (0, 0))
        ImageDraw.Draw(whole).line((70, 5 + number, 120, 50), "black", 2)
        save(whole, tmp_path / "set" / f"{number}.jpg")
    _, out, _ = imtrans("init", "set")
    assert "the source is 'right'; to learn from 'left' to 'right': --source left" in out
    assert "since right looks like a drawing" in " ".join(
        (tmp_path / "set.toml").read_text().replace("#", "").split()
    )


def test_a_guess_is_called_a_guess(imtrans, tmp_path):
    for number in range(4):
        for side in "pq":
            save(photo(number), tmp_path / "set" / f"{number}_left{side}.png")
    _, out, _ = imtrans("init", "set")
    assert "the source is 'leftp', which is a guess; " in out


@pytest.mark.parametrize("name", ["edges2shoes", "facades", "sketch2shiba"])
def test_the_source_of_real_pairs_is_recognised(real_data, name):
    found = draft(str(real_data / name), None, catalog())
    chosen = {choice.path: choice.value for choice in found.choices}
    assert chosen["data.layout"] == "side_by_side"
    assert chosen["data.direction"] == "BtoA"  # as these sets are stored there


def test_a_table_that_is_not_used_is_named(imtrans, tmp_path):
    """Else its pictures would become a task that nobody meant, without a word."""
    (tmp_path / "set").mkdir()
    for number in range(6):
        draw_picture(number, (64, 64)).save(tmp_path / "set" / f"IMG_{number}.png")
    (tmp_path / "set/pairs.csv").write_text("before;after\nIMG_0;IMG_1\nIMG_2;IMG_3\n")
    (tmp_path / "set/pairs.xlsx").write_bytes(b"PK")
    code, out, err = imtrans("init", "set")
    assert code == 0
    text = " ".join((out + err).split())
    assert "set/pairs.csv: is not used: fewer than two of its columns name images" in text
    assert "set/pairs.xlsx: is not read; if it names the pairs, save it as CSV" in text


def test_folders_of_several_pairs_are_pointed_out(imtrans, tmp_path):
    for patient in range(4):
        folder = tmp_path / "set" / f"patient_{patient:02d}"
        folder.mkdir(parents=True)
        for slide in range(2):
            picture = draw_picture(patient + slide, (64, 64))
            picture.save(folder / f"slide{slide}_he.png")
            picture.rotate(180).save(folder / f"slide{slide}_ihc.png")
    code, out, err = imtrans("init", "set")
    assert code == 0
    said = " ".join((out + err).split())
    assert "note: 8 pairs are in 4 folders, and validation draws single pairs" in said
