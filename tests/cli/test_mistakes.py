"""A mistake is one clear line that says what to do, and exit code 2."""

import os
import stat
from pathlib import Path

import pytest
import torch
from drawn import draw_picture
from safetensors.torch import save_file

GOLDEN = Path(__file__).parents[1] / "given" / "golden"

COMMANDS = [
    ("train",),
    ("translate",),
    ("check",),
    ("init",),
    ("doctor",),
    ("bench",),
    ("bench", "train"),
    ("runs",),
    ("runs", "list"),
    ("runs", "clean"),
    ("runs", "compare"),
    ("recipes",),
    ("recipes", "list"),
    ("recipes", "show"),
    ("plugins",),
    ("plugins", "list"),
    ("plugins", "show"),
    ("inspect",),
    ("data", "check"),
    ("data", "show"),
    ("data", "bench"),
    ("data", "cache"),
    ("data", "fetch"),
    ("import-weights",),
    ("quickstart",),
]


@pytest.fixture
def trained(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        draw_picture(number, (20, 20)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def broken_state(trained, how):
    file = next(trained.glob("checkpoints/*12")) / "generator.safetensors"
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:-1000])
    else:
        save_file({"x": torch.zeros(1)}, file)
    return file


MISTAKES = [
    (["data", "check", "photo"], "photo: no such folder, and no recipe of that name; did you mean"),
    (["data", "check", "./photo"], "./photo: no such folder, and no recipe of that name"),
    (
        ["data", "check", "sli"],
        "sli: no such folder, and no recipe of that name; `imtrans rec",
    ),
    (["data", "check", "mapz"], "mapz: no such folder, and no recipe of that name; did you mean"),
    (["check", "tiny.toml", "--set", "generator=resnet_6"], "write generator.name=resnet_6"),
    (["check", "tiny.toml", "--set", 'loss=["l1"]'], 'is not a table; write { name = "l1" }'),
    (["bench", "train", "maps", "--recipe", "facades"], "two recipes, 'maps' and 'facades'"),
    (["inspect", "nowhere", "file"], "nowhere: no such checkpoint"),
    (["train", "facades", "--set", "train.epochs=4"], "as in --set train.decay_from=2"),
    (["train", "nothing.toml"], "nothing.toml: no such recipe file"),
    (["train", "mapz"], "no recipe 'mapz'"),
    (["train", "maps"], "datasets/maps: no such folder"),
    (["train", "tiny.toml", "--set", "data.root=empty"], "empty/train: no such folder"),
    (["train", "tiny.toml", "--set", "generator.name=unt"], "no generator 'unt'; did you mean"),
    (["train", "tiny.toml", "--set", "train.epochs=ten"], "'ten' is not a whole number"),
    (["train", "tiny.toml", "--set", "train.epoch=1"], "did you mean 'epochs'?"),
    (["train", "tiny.toml", "--set", "data.crop_size=50"], "crop_size is 50. use 48 or 52"),
    (["train", "tiny.toml", "--device", "gpu"], "device 'gpu' is not available; this machine has"),
    (["train", "tiny.toml", "--run-dir", "file"], "file: is a file; choose another --run-dir"),
    (["train", "tiny.toml", "--run-dir", "file/run"], "file/run: "),
    (["train", "tiny.toml", "--run-dir", "photos"], "holds other files, but no run"),
    (["translate", "photos"], "name the --recipe that you trained, or a --checkpoint"),
    (
        ["translate", "photos", "--recipe", "maps"],
        "runs/maps: no such run; nothing is in runs/ yet. train it with `imtrans train maps`, or",
    ),
    (["translate", "photos", "--checkpoint", "none"], "none: no such checkpoint"),
    (["translate", "maps", "photos"], "two inputs; is maps a recipe? use --recipe maps photos"),
    (["translate", "photos/0.png", "photos/1.png"], "2 inputs; translate their folder, or one"),
    (["translate", "photos", "--checkpoint", "photos"], "photos: no checkpoint there"),
    (["translate", "photos", "--checkpoint", "file"], "file: not a whole safetensors file"),
    (["translate", "nowhere", "--checkpoint", "x"], "x: no such checkpoint"),
    (["inspect", "nowhere"], "nowhere: no such checkpoint"),
    (["inspect", "file"], "file: not a whole safetensors file"),
    (["import-weights", "no.pth", "--recipe", "facades", "--output", "o"], "no.pth: no such file"),
    (["import-weights", "file", "--recipe", "facades", "--output", "o"], "file: "),
    (["quickstart", "photos"], "photos: holds other files (0.png, 1.png)"),
    (["quickstart", "file"], "file: is a file"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    imtrans, tiny_file, photos, tmp_path, arguments, message
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("some text that is no image and no checkpoint")
    code, _, err = imtrans(*arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("how", ["truncated", "foreign"])
def test_a_damaged_checkpoint_is_named(imtrans, trained, photos, how):
    file = broken_state(trained, how)
    code, _, err = imtrans("translate", "--recipe", "tiny", "photos")
    assert code == 2
    assert str(file.relative_to(file.parents[4])) in err


def test_a_translation_without_images_or_into_its_input_is_refused(imtrans, trained, photos):
    (photos / "empty").mkdir()
    code, _, err = imtrans("translate", "--checkpoint", trained, "photos/empty")
    assert (code, "no images there" in err) == (2, True)
    code, _, err = imtrans("translate", "--checkpoint", trained, "photos", "--output", "photos")
    assert (code, "would replace the inputs" in err) == (2, True)


def test_an_unwritable_run_dir_is_one_line(imtrans, tiny_file, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(stat.S_IRUSR | stat.S_IXUSR)
    code, _, err = imtrans("train", tiny_file, "--run-dir", "locked/run")
    assert (code, "cannot write there: permission denied" in err) == (2, True)


def test_a_broken_training_image_is_one_line(imtrans, tiny_file, pairs):
    (pairs / "train" / "000.png").write_bytes(b"broken")
    code, _, err = imtrans("train", tiny_file)
    assert code == 2
    assert "000.png: not an image" in err
    assert len(err.strip().splitlines()) == 1
