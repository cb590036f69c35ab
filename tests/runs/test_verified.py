"""What is read is what was written: sums, numbers, the recipe of a run, the files of a data set."""

import io
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from drawn import draw_picture
from resealing import reseal
from rich.console import Console
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from steps import step_of

import imtrans as public
from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.checksums import SUMS
from imtrans.runs.header import read_header
from imtrans.runs.inspection import describe
from imtrans.runs.sealed import check_seal, write_sealed
from imtrans.runs.state import restore
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.stepper import Stepper

FLIPS = 20  # of bits in a checkpoint
thorough = pytest.mark.thorough


@pytest.fixture
def run(finished_run, tmp_path):
    return finished_run(tmp_path / "run")


@pytest.fixture
def alone(run, tmp_path):
    """A generator.safetensors away from its checkpoint and its sums."""
    return Path(shutil.copy(checkpoints(run)[-1] / "generator.safetensors", tmp_path / "g.sft"))


def flip(file, place, bit=6):
    content = bytearray(file.read_bytes())
    content[place] ^= 1 << bit
    file.write_bytes(content)


def train(tiny, run, capsys):
    fit(Task(tiny, catalog()), run, console=Console(width=400))
    return capsys.readouterr().out


def test_files_of_equal_contents_are_equal_files(tmp_path):
    tensors = {name: torch.arange(4.0) for name in "cab"}
    facts = {f"fact {number}": 'üñ "\\\n' + str(number) for number in range(40)}
    turned = dict(reversed(facts.items()))
    for name, given in (("one", facts), ("two", turned)):
        write_sealed(tmp_path / name, tensors, given)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with safe_open(tmp_path / "one", "pt") as file:
        found = file.metadata()
        assert list(file.get_tensor("a")) == [0, 1, 2, 3]
    assert found.items() >= facts.items()
    assert check_seal(tmp_path / "one", found)


def test_every_byte_of_a_file_is_in_its_sum(tmp_path):
    file = tmp_path / "file"
    write_sealed(file, {"a": torch.arange(4.0)}, {"recipe": "r", "part": "p"})
    whole = file.read_bytes()
    key = whole.find(b"sha256")
    for place in range(len(whole)):
        flip(file, place)
        # Where the name of the sum is flipped, nothing else is.
        assert not is_accepted(file) or key <= place < key + 6
        file.write_bytes(whole)
    assert is_accepted(file)


def is_accepted(file):
    try:
        with safe_open(file, "pt") as opened:
            facts = opened.metadata()
        check_seal(file, facts)
    except (ImtransError, SafetensorError):
        return False
    return True


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=thorough) for n in range(1, 15))])
def test_a_flipped_bit_is_refused_or_has_no_effect(run, tiny, seed):
    training = step_of(tiny)
    draw, newest = random.Random(seed), checkpoints(run)[-1]
    picture = draw_picture(1, (40, 40))
    expected = public.load(newest)(picture).tobytes()
    files = sorted(newest.iterdir())
    for _ in range(FLIPS):
        file = draw.choices(files, [f.stat().st_size for f in files])[0]
        whole = file.read_bytes()
        flip(file, draw.randrange(len(whole)), draw.randrange(8))
        with pytest.raises(ImtransError):
            describe(newest)
        with pytest.raises(ImtransError):
            restore(newest, training)
        try:
            found = public.load(newest)(picture).tobytes()
        except ImtransError:
            found = None
        assert found == (None if file.name == "generator.safetensors" else expected)
        file.write_bytes(whole)


def test_weights_outside_a_checkpoint_are_verified(imtrans, alone, tmp_path):
    flip(alone, -1000)
    (tmp_path / "in").mkdir()
    draw_picture(1, (40, 40)).save(tmp_path / "in" / "a.png")
    for command in (["translate", tmp_path / "in", "--checkpoint", alone], ["inspect", alone]):
        code, _, err = imtrans(*command)
        assert (code, "damaged: it changed since it was written" in err) == (2, True)
    assert not list(tmp_path.glob("in-*/*.png"))


def test_first_weights_are_verified(tiny_file, alone):
    flip(alone, -1000)
    recipe = recipes.read(tiny_file, [f"train.init_from={alone}"], catalog())
    with pytest.raises(ImtransError, match="damaged: it changed"):
        fit(Task(recipe, catalog()), alone.parent / "second", console=Console(file=io.StringIO()))


def test_files_of_before_there_were_sums_are_read(run, alone):
    newest = checkpoints(run)[-1]
    for file in newest.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            facts = {k: v for k, v in opened.metadata().items() if k != "sha256"}
        copies = {k: v.clone() for k, v in read_tensors(file).items()}
        save_file(copies, file, metadata=facts)
    (newest / SUMS).unlink()
    assert public.load(newest)(draw_picture(1, (40, 40))).size == (40, 40)
    assert "written before there were checksums" in describe(newest)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_do_not_translate(run, value):
    file = checkpoints(run)[-1] / "generator.safetensors"

    def ruined(tensors):
        tensors["decoder.0.weight"].view(-1)[0] = value
        return tensors

    reseal(file, tensors=ruined)
    with pytest.raises(ImtransError, match="has values that are not finite"):
        public.load(file)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.bfloat16, torch.float64])
def test_weights_of_another_dtype_are_refused(run, dtype):
    file = checkpoints(run)[-1] / "generator.safetensors"
    reseal(file, tensors=lambda tensors: {k: v.to(dtype) for k, v in tensors.items()})
    with pytest.raises(ImtransError, match=r"' is \w+; the network has float32"):
        public.load(file)


# A run and its recipe


def test_a_run_belongs_to_the_recipe_in_its_checkpoint(tiny_file, tiny, run, capsys):
    (run / "recipe.toml").unlink()
    other = recipes.read(tiny_file, ["train.learning_rate=0.01"], catalog())
    with pytest.raises(ImtransError, match=r"another recipe was trained there") as refused:
        fit(Task(other, catalog()), run, console=Console(file=io.StringIO()))
    assert "+learning_rate = 0.01" in str(refused.value)
    assert "12 steps" not in train(tiny, run, capsys)
    assert (run / "recipe.toml").is_file()


def test_a_run_whose_directory_vanishes_stops_and_says_so(tiny, tmp_path, monkeypatch):
    run, steps, step = tmp_path / "run", iter(range(99)), Stepper.__call__

    def vanishing(self, *data):
        if next(steps) == 2:
            os.rename(run, tmp_path / "elsewhere")
        return step(self, *data)

    monkeypatch.setattr(Stepper, "__call__", vanishing)
    with pytest.raises(ImtransError, match=r"run.*(is gone|no such file)"):
        fit(Task(tiny, catalog()), run, console=Console(file=io.StringIO()))
    assert not run.exists()


# The files of a data set


def replaced(pairs):
    draw_picture(77, (160, 64)).save(sorted((pairs / "train").iterdir())[0])


def renamed(pairs):
    file = sorted((pairs / "train").iterdir())[0]
    file.rename(file.with_name("000a.png"))


def touched(pairs):
    os.utime(sorted((pairs / "train").iterdir())[0], ns=(1, 1))


@pytest.mark.parametrize("change", [replaced, renamed, touched])
def test_data_that_changed_between_two_sessions_is_noticed(
    tiny_file, finished_run, pairs, tmp_path, capsys, change
):
    run = finished_run(tmp_path / "run")
    prolonged = recipes.read(tiny_file, ["train.epochs=3"], catalog())
    files_here(run, Task(prolonged, catalog()).files_sum)
    shutil.copytree(run, tmp_path / "second")
    assert "the data changed" not in train(prolonged, run, capsys)
    change(pairs)
    assert "the data changed: the files to train on have" in train(
        prolonged, tmp_path / "second", capsys
    )


def files_here(run, files):
    """As if the copy had been trained on the files of this test."""
    for file in run.glob("checkpoints/step_*/training.safetensors"):
        assert read_header(file).facts["files"]
        reseal(file, lambda facts: facts | {"files": files})
