"""The number of network evaluations of a method that samples: chosen, recorded, never mixed."""

import json

import pytest
import torch
from flow_checkpoint import flow_recipe, saved, saved_by_a_training
from third_party import with_plugin
from translated_trees import pictures, shown

import imtrans as package
from imtrans.api.errors import ImtransError
from imtrans.translation.export.pt2 import ABOUT

SIZES = ["--size", "native", "--device", "cpu"]


@pytest.fixture
def flow(tiny_file, tmp_path):
    """A checkpoint of flow matching in two steps, and two pictures."""
    pictures(tmp_path / "in", "0.png", "1.png", size=(64, 64))
    with with_plugin("flow_matching"):
        yield saved(flow_recipe(tiny_file), [], tmp_path / "flow")


def test_a_folder_holds_results_of_one_number(imtrans, flow, tmp_path):
    command = ("translate", "--checkpoint", flow, *SIZES, "in", "--output")
    assert imtrans(*command, "two")[0] == 0
    assert imtrans(*command, "three", "--nfe", 3)[0] == 0
    assert shown(tmp_path / "two").keys() == shown(tmp_path / "three").keys()
    assert shown(tmp_path / "two") != shown(tmp_path / "three")
    code, _, err = imtrans(*command, "two", "--nfe", 3)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "two: holds results of another translation (with other nfe): two/0.png" in err
    # Those of the recipe, by their number.
    code, out, err = imtrans(*command, "two", "--nfe", 2)
    assert (code, out, err) == (0, "0 images in two, 2 there already\n", "")


def test_python_has_it_too(flow):
    translators = [package.load(flow, nfe=nfe, device="cpu") for nfe in (None, 2, 5)]
    assert [one.module.nfe for one in translators] == [2, 2, 5]
    assert [one.made_from["nfe"] for one in translators] == ["2", "2", "5"]
    with pytest.raises(ImtransError, match="nfe 0: the number of network evaluations is 1 or more"):
        package.load(flow, nfe=0)


@pytest.mark.parametrize("command", ["translate", "evaluate", "export"])
def test_a_translator_without_it_is_one_line(imtrans, tiny_file, tmp_path, command):
    pictures(tmp_path / "in", "0.png")
    rest = {"translate": ["in"], "evaluate": ["--output", "e"], "export": ["--format", "pt2"]}
    model = saved(tiny_file, [], tmp_path / "dry")
    code, out, err = imtrans(command, "--checkpoint", model, "--nfe", 4, *rest[command])
    assert (code, out) == (2, "")
    assert err == (
        "error: nfe 4: the translator 'generator' has no number of network evaluations to choose; "
        "leave it out\n"
    )


def test_what_its_setter_refuses_is_one_line(flow, monkeypatch):
    import flow_matching

    def refuse(self, name, value):
        if name == "nfe" and value > 4:
            raise ValueError("at most 4 steps were trained")
        super(flow_matching.Sampler, self).__setattr__(name, value)

    monkeypatch.setattr(flow_matching.Sampler, "__setattr__", refuse)
    with pytest.raises(ImtransError, match="^nfe 9: at most 4 steps were trained$"):
        package.load(flow, nfe=9)


def test_values_are_of_one_number_and_say_of_which(imtrans, flow, tmp_path):
    command = ("evaluate", "--checkpoint", flow, "--device", "cpu", "--metric", "l1", "--output")
    for nfe in (1, 8):
        assert imtrans(*command, f"of-{nfe}", "--nfe", nfe)[0] == 0
    found = [json.loads((tmp_path / f"of-{nfe}/metrics.json").read_text()) for nfe in (1, 8)]
    assert [one["nfe"] for one in found] == [1, 8]
    assert len({one["metrics"]["l1"]["value"] for one in found}) == 2
    code, out, _ = imtrans("compare", "of-1", "of-8")
    assert code == 0
    assert "note: not all of them sample in the same number of network evaluations: 1, 8" in out
    code, _, err = imtrans("evaluate", "in", "in", "--nfe", 2)
    assert (code, err) == (
        2,
        "error: --nfe, --dropout-seed and --samples belong to a run; leave them out\n",
    )


def test_an_exported_file_says_its_number_and_its_noise(imtrans, flow, tmp_path):
    code, out, err = imtrans("export", "--checkpoint", flow, "--format", "pt2", "--nfe", 3)
    assert (code, err) == (0, "")
    assert "; its second input is noise" in out
    extra = {ABOUT: ""}
    program = torch.export.load(tmp_path / "flow.pt2", extra_files=extra).module()
    facts = json.loads(extra[ABOUT])
    assert facts["nfe"] == "3"
    noise = {"name": "noise", "layout": "NCHW", "dtype": "float32", "channels": 3}
    assert json.loads(facts["noise"]) == noise | {"distribution": "standard normal"}
    source = torch.rand(2, 3, 64, 48) * 255
    assert program(source, torch.randn(2, 3, 64, 48))[0].shape == (2, 3, 64, 48)


def test_shares_of_an_evaluation_take_one_number(imtrans, flow):
    command = ("evaluate", "--checkpoint", flow, "--device", "cpu", "--metric", "l1")
    assert imtrans(*command, "--output", "e", "--shard", "1/2")[0] == 0
    code, out, _ = imtrans(*command, "--output", "e", "--nfe", 3, "--shard", "2/2")
    assert code == 0
    assert "parts of another evaluation are there too: other nfe" in " ".join(out.split())


def test_a_checkpoint_says_its_number(imtrans, tiny_file, tmp_path, flow):
    trained = saved_by_a_training(flow_recipe(tiny_file), tmp_path / "trained")
    code, out, _ = imtrans("inspect", trained)
    assert code == 0
    assert "nfe         2 network evaluations for an output; --nfe chooses another number" in out
    assert "\nnfe" not in imtrans("inspect", flow)[1]  # of an older checkpoint nobody knows
