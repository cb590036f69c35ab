"""Headers that nobody wrote by accident, with sums that fit: one line, and never another training.

Loading them and continuing after them reads every fact of a header.
"""

import json

import pytest
import torch
from resealing import reseal
from safetensors import safe_open

import imtrans as public
from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.header import GENERATOR, TRAINING
from imtrans.runs.state import restore
from imtrans.task import Task
from imtrans.training.step.engine import Engine
from imtrans.training.step.step import Step

CPU = torch.device("cpu")


@pytest.fixture
def found(finished_run, tmp_path):
    return checkpoints(finished_run(tmp_path / "run"))[-1]


@pytest.fixture(scope="module")
def training(trained_once):
    from imtrans.recipe import reading as recipes

    task = Task(recipes.read(trained_once / "tiny.toml", catalog=catalog()), catalog())
    return Step(task.method(CPU), Engine("plain", CPU), task.recipe.train)


def changed(folder, tensors=None, only=None, **facts):
    """The checkpoint with other facts in all its headers, and sums that fit."""
    for path in folder.glob(only or "*.safetensors"):
        more = (tensors or {}) if path.name == TRAINING else {}
        reseal(
            path,
            lambda old: {k: v for k, v in (old | facts).items() if v is not None},
            lambda old, more=more: old | more,
        )
    return folder


def refused(call, *arguments):
    with pytest.raises(ImtransError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def test_what_is_not_changed_is_continued(found, training):
    position, header, _ = restore(changed(found), training)
    assert (position.step, header.step) == (12, 12)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"step": "9" * 5000}, "its header has no number 'step': '99999"),
        ({"epoch": "3.5"}, "its header has no number 'epoch': '3.5'"),
        ({"batch": "-1"}, "its header has no number 'batch': '-1'"),
        ({"batches_per_epoch": None}, "its header has no number 'batches_per_epoch': ''"),
        ({"epoch": "99999"}, "its header is damaged: batch 0 of 6 in epoch 99999, after 12 steps"),
        ({"batch": "99999"}, "its header is damaged: batch 99999 of 6 in epoch 3, after 12 steps"),
        ({"batch": "7"}, "its header is damaged: batch 7 of 6"),
        ({"step": "1"}, "its header is damaged: batch 0 of 6 in epoch 3, after 1 steps"),
        ({"best": "{"}, "its header has no best validation"),
        ({"best": "[1]"}, "its header has no best validation"),
        ({"best": "[" * 5000}, "its header has no best validation: it is nested too deeply"),
        ({"best": '{"x": 1}'}, "its header has no best validation"),
        ({"best": '{"value": "x"}'}, "its header has no best validation"),
        ({"best": '{"value": 1.0, "step": []}'}, "its header has no best validation"),
        ({"best": f'{{"step": {"9" * 5000}}}'}, "a number in it has too many digits"),
        ({"parts": '["../x"]'}, "its header has no names 'parts'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_damaged_position_is_said(found, training, facts, said):
    assert said in refused(restore, changed(found, **facts), training)


@pytest.mark.parametrize(
    "state", [torch.rand(5056), torch.zeros(0), torch.zeros(3, dtype=torch.uint8)]
)
def test_a_damaged_random_state_is_said(found, training, state):
    said = refused(restore, changed(found, {"random/cpu": state}), training)
    assert "training.safetensors: does not fit this recipe" in said


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(imtrans, found, tiny_file):
    changed(found, best="{")
    code, out, err = imtrans("train", tiny_file, "--run-dir", found.parents[1])
    assert (code, err) == (0, "")
    assert "its header has no best validation" in out
    assert "continuing after" in out


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("width = 4", f"width = {10**18}", "a number in its options is too large"),
        ("width = 4", f"width = {2**70}", "a number of more than 64 bits"),
        ("width = 4", f"width = {'9' * 5000}", "a number in it has too many digits"),
        ("width = 4", f"width = {'[' * 990}{']' * 990}", "it is nested too deeply"),
        ("[generator]", f"[generator]\n{'.'.join('a' * 990)} = 1", "it is nested too deeply"),
    ],
    ids=["10**18", "2**70", "digits", "list", "keys"],
)
def test_a_damaged_recipe_in_a_header_is_said(found, before, after, said):
    with safe_open(found / GENERATOR, "pt") as file:
        recipe = file.metadata()["recipe"]
    changed(found, only=GENERATOR, recipe=recipe.replace(before, after, 1))
    with pytest.raises(ImtransError, match=said.replace("*", ".")):
        public.load(found)


@pytest.mark.parametrize("plugins", ["{", "[1]", "[" * 5000, json.dumps({"x": "1; rm -rf ~"})])
def test_damaged_plugins_in_a_header_are_not_offered(found, plugins):
    with safe_open(found / GENERATOR, "pt") as file:
        recipe = file.metadata()["recipe"].replace('"resnet_6"', '"unknown"')
    changed(found, only=GENERATOR, recipe=recipe, plugins=plugins)
    with pytest.raises(ImtransError, match="no generator 'unknown'") as caught:
        public.load(found)
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("rubbish", ["[" * 5000, '{"step": Infinity}', "[1]", "9" * 5000])
def test_rubbish_in_a_log_is_passed_over(imtrans, found, tiny_file, rubbish):
    run = found.parents[1]
    for name in ("metrics.jsonl", "validation.jsonl"):
        with (run / name).open("a") as file:
            file.write(f"{rubbish}\n")
    changed(found, best="[" * 5000)
    assert imtrans("runs", "list", run)[0] == 0
    assert imtrans("train", tiny_file, "--run-dir", run)[0] == 0
    assert rubbish not in (run / "metrics.jsonl").read_text()
