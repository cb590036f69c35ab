"""Several plausible outputs for each input: reproducible, and of any method that samples."""

import io

import numpy as np
import pytest
import torch
from flow_checkpoint import flow_recipe, saved
from PIL import Image
from third_party import with_plugin
from translated_trees import pictures, shown

SIZES = ["--size", "native", "--device", "cpu"]


def opened(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image).astype(int)


@pytest.fixture
def unet(tiny_file, tmp_path):
    """A U-Net with dropout that has learned nothing, and pictures."""
    pictures(tmp_path / "in", *(f"{n}.png" for n in range(5)), size=(128, 128))
    pictures(tmp_path / "in", "small.jpg", size=(70, 90))
    small = ["generator.name=unet_128", "data.load_size=128", "data.crop_size=128"]
    return "--checkpoint", saved(tiny_file, small, tmp_path / "saved")


@pytest.mark.thorough
def test_samples_of_dropout_are_in_folders_by_seed_whatever_else_is_asked_for(
    imtrans, unet, tmp_path
):
    model = ("translate", *unet, *SIZES)
    found = []
    for output, options, threads in (
        ("a", ("--batch-size", 1, "--workers", 1), 1),
        ("b", ("--batch-size", 4, "--workers", 3), 1),
        ("d", (), 2),
    ):
        torch.set_num_threads(threads)
        seeds = ("--dropout-seed", 4, "--samples", 3)
        try:
            code, out, err = imtrans(*model, "in", "--output", output, *seeds, *options)
        finally:
            torch.set_num_threads(1)
        assert (code, err) == (0, "")
        assert out.startswith(f"6 images in {output}, 3 samples of each (")
        found.append(shown(tmp_path / output))
    one, other, with_threads = found
    assert one == other
    for name, content in with_threads.items():  # the same noise; sums are rounded otherwise
        assert np.abs(opened(content) - opened(one[name])).mean() < 0.5
    assert len(one) == 18
    assert {name.split("/")[0] for name in one} == {"seed-4", "seed-5", "seed-6"}
    assert len({one[f"seed-{seed}/0.png"] for seed in (4, 5, 6)}) == 3
    # One of them alone, by its seed.
    assert imtrans(*model, "in", "--output", "c", "--dropout-seed", 5)[0] == 0
    assert {
        f"seed-5/{name}": it for name, it in shown(tmp_path / "c").items()
    }.items() <= one.items()
    # More of them later.
    code, out, _ = imtrans(*model, "in", "--output", "a", "--dropout-seed", 5, "--samples", 2)
    assert (code, out) == (0, "0 images in a, 2 samples of each, 6 there already\n")


def test_samples_of_one_image_have_their_seeds_in_their_names(imtrans, unet, tmp_path):
    model = ("translate", *unet, *SIZES, "--dropout-seed", 0, "--samples", 2)
    for _ in range(2):
        code, out, err = imtrans(*model, "in/0.png")
        names = [f"in/0-saved-seed-{seed}.png" for seed in (0, 1)]
        assert (code, out.split(), err) == (0, names, "")
    assert imtrans(*model, "in/0.png", "--output", "new/o.png")[0] == 0
    assert sorted(shown(tmp_path / "new")) == ["o-seed-0.png", "o-seed-1.png"]
    assert (tmp_path / "new/o-seed-1.png").read_bytes() == (tmp_path / names[1]).read_bytes()


def test_samples_that_would_be_the_same_are_refused(imtrans, unet, tiny_file, tmp_path):
    dry = saved(tiny_file, ["generator.dropout=0.0"], tmp_path / "dry")
    same = "error: --samples: each would be the same: this network draws no random numbers"
    for options, remedy in (
        (unet, "; --dropout-seed 0 keeps its dropout on"),
        (("--checkpoint", dry), "; --dropout-seed 0 keeps its dropout on"),
        (("--checkpoint", dry, "--dropout-seed", 1), ""),
    ):
        code, out, err = imtrans("translate", *options, *SIZES, "in", "--samples", 2)
        assert (code, out, err) == (2, "", f"{same}{remedy}\n")


def test_any_method_whose_translator_samples_takes_them(imtrans, tiny_file, tmp_path):
    pictures(tmp_path / "in", "0.png", "1.png", size=(64, 64))
    recipe = flow_recipe(tiny_file)
    with with_plugin("flow_matching"):
        model = ("--checkpoint", saved(recipe, [], tmp_path / "flow"))
        command = ("translate", *model, *SIZES, "in")
        code, out, err = imtrans(*command, "--output", "a", "--samples", 3)
        assert (code, err) == (0, "")
        found = shown(tmp_path / "a")
        assert len(set(found.values())) == len(found) == 6
        options = ("--dropout-seed", 1, "--batch-size", 2, "--workers", 1)
        assert imtrans(*command, "--output", "b", *options)[0] == 0
        alone = {f"seed-1/{name}": content for name, content in shown(tmp_path / "b").items()}
        assert alone.items() <= found.items()
