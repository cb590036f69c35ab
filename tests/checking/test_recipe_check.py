"""`imtrans check` refuses what `train` would refuse, and nothing else."""

import os

import pytest

from imtrans.runs.checkpoint import checkpoints

REFUSED = {
    "training pairs for validation": ("data.validation=train", "data"),
    "weights that are not there": ("train.init_from=runs/nowhere", "weights"),
    "weights that are none": ("train.init_from=notes.txt", "weights"),
    "weights without end": (f"train.init_from={os.devnull}", "weights"),
    "a range beyond all numbers": ("data.source.range=[-1e308, 1e308]", "one step"),
    "a step into nowhere": ("train.learning_rate=1e300", "one step"),
}


@pytest.mark.parametrize(("override", "part"), REFUSED.values(), ids=REFUSED)
def test_what_training_refuses_is_an_error(imtrans, tiny_file, tmp_path, override, part):
    (tmp_path / "notes.txt").write_text("no weights")
    code, out, _ = imtrans("check", tiny_file, "--set", override)
    assert code == 2
    (line,) = [line for line in out.splitlines() if not line.startswith("ok ")]
    assert line.split("  ")[0].startswith("error")
    assert part in line[:20]
    code, _, err = imtrans("train", tiny_file, "--run-dir", "run", "--set", override)
    assert code == 2
    assert "Traceback" not in err


def test_first_weights_that_fit_are_named(imtrans, tiny_file, finished_run, tmp_path):
    newest = checkpoints(finished_run(tmp_path / "earlier"))[-1]
    code, out, _ = imtrans("check", tiny_file, "--set", f"train.init_from={newest}")
    assert code == 0
    assert f"starting from {newest}" in out


@pytest.mark.parametrize("colour", ["[100000, 5, 5]", "[-5, 0, 0]"])
def test_a_class_that_no_pixel_can_have_is_refused(imtrans, tiny_file, colour):
    classes = f"data.target.classes=[[0, 0, 0], {colour}]"
    code, _, err = imtrans("check", tiny_file, "--set", classes)
    assert (code, "is not a colour of uint8, 0 to 255" in err) == (2, True)
