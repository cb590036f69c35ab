"""The networks and the step agree with the published PyTorch pix2pix.

The numbers in given/golden were computed with its code (2023 version) at width 4; dropout is off.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from steps import step_of

from imtrans.api.method import Batch
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import read_header
from imtrans.runs.published_weights import import_weights, recognise, translate_names
from imtrans.runs.weights import load_into
from imtrans.task import Task

GOLDEN = Path(__file__).parents[1] / "given" / "golden"
NETWORKS = json.loads((GOLDEN / "networks.json").read_text())


def to_unit(pixels):
    return pixels.float() / 127.5 - 1


@pytest.fixture
def facades():
    return recipes.read("facades", catalog=catalog())


def imported(file, facades, folder):
    """The network that import-weights makes of a published file, read back from its checkpoint."""
    (found,) = import_weights([GOLDEN / f"{file}.pth"], facades, catalog(), folder)
    path = folder / f"{found.role}.safetensors"
    task = Task(read_header(path).recipe(catalog()), catalog())
    is_generator = found.role == "generator"
    network = task.translator("generator") if is_generator else task.discriminator()
    load_into(network, path)
    return network


def without_dropout(network):
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


def outputs(network, pixels):
    image = to_unit(pixels)
    inputs = (image[:, :3], image[:, 3:]) if pixels.shape[1] == 6 else (image,)
    return network(*inputs)[..., ::4, ::4]


@pytest.mark.parametrize("entry", NETWORKS, ids=lambda entry: entry["file"])
def test_an_imported_network_computes_what_the_published_one_does(entry, facades, tmp_path):
    network = without_dropout(imported(entry["file"], facades, tmp_path / "imported"))
    golden = load_file(GOLDEN / f"{entry['file']}.safetensors")
    assert sum(p.numel() for p in network.parameters()) == entry["parameters"]
    with torch.no_grad():
        running = outputs(network.eval(), golden["input"])
        batch = outputs(network.train(), golden["input"])
    torch.testing.assert_close(running, golden["output_eval_every4"], rtol=0, atol=1e-5)
    torch.testing.assert_close(batch, golden["output_train_every4"], rtol=0, atol=1e-5)


TRACES = ["trace-unet_128-basic-vanilla-batch", "trace-unet_128-basic-lsgan-instance"]


@pytest.mark.parametrize("name", TRACES)
def test_twenty_steps_follow_the_published_ones(name, facades, tmp_path):
    trace = json.loads((GOLDEN / f"{name}.json").read_text())
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    step = published_step(trace, tensors, facades, tmp_path)
    a, b = to_unit(tensors["data.A"]), to_unit(tensors["data.B"])
    for number, expected in enumerate(trace["losses"]):
        batch = [2 * number % 8, (2 * number + 1) % 8]
        losses = step(Batch(a[batch], b[batch]))
        tolerance = 1e-5 if number == 0 else 5e-3
        published = {
            "g": expected["g_gan"],
            "l1": expected["g_l1"] / trace["lambda_l1"],
            "d": (expected["d_real"] + expected["d_fake"]) / 2,
        }
        for loss, value in published.items():
            assert float(losses[loss]) == pytest.approx(value, rel=tolerance), (number, loss)
    compare_lengths(step.method.generator.state_dict(), recognise(tmp_path / "G.pth"), trace)


def compare_lengths(state, found, trace):
    """After the last step the L2 norm of every tensor is the published one."""
    lengths = trace["final_generator_l2"]
    names = dict(leaves(found, lengths))
    assert set(names.values()) == {k for k in state if not k.endswith("num_batches_tracked")}
    for theirs, ours in names.items():
        if trace["norm"] == "instance" and ours.endswith(".bias") and ours != "decoder.6.1.bias":
            continue  # cancelled by the norm: its gradient is rounding, which Adam makes a walk
        expected = pytest.approx(lengths[f"G.{theirs}"], rel=1e-2, abs=1e-3)
        assert float(state[ours].norm()) == expected, ours


def leaves(found, lengths):
    for theirs, ours in found.renames:
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            if f"G.{theirs}.{leaf}" in lengths:
                yield f"{theirs}.{leaf}", f"{ours}.{leaf}"


def published_step(trace, tensors, facades, folder):
    """Our step on the published initial weights."""
    tables = {}
    for letter, role in (("G", "generator"), ("D", "discriminator")):
        state = {
            k.removeprefix(f"{letter}."): v for k, v in tensors.items() if k[:2] == f"{letter}."
        }
        torch.save(state, folder / f"{letter}.pth")
        tables[role] = recognise(folder / f"{letter}.pth")
    values = facades.model_dump(by_alias=True)
    values["generator"] = {**tables["generator"].table, "dropout": 0.0}
    values["discriminator"] = tables["discriminator"].table
    values["adversarial"] = {"name": trace["gan_mode"]}
    values["data"]["load_size"] = values["data"]["crop_size"] = 128
    recipe = type(facades).model_validate(values)
    step = step_of(recipe)
    for role, network in step.method.networks().items():
        network.load_state_dict(translate_names(tables[role], network))
    return step
