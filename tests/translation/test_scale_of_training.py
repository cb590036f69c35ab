"""What was trained on pictures of another size than the networks see translates at that scale."""

import json

import numpy as np
import pytest
import torch
from drawn import draw_picture, write_pairs
from PIL import Image

import imtrans as public
from imtrans.data import samples
from imtrans.data.pixels import images
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import read_header
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.preview import Preview
from imtrans.translation.forms import picture_of


@pytest.fixture
def trained(tiny_file, tmp_path):
    """Train on files of a size, with settings; the run."""

    def train(size=(96, 96), *settings):
        write_pairs(tmp_path / "larger/train", 4, size)
        write_pairs(tmp_path / "larger/val", 3, size)
        root = f'data.root="{(tmp_path / "larger").as_posix()}"'
        small = ("data.load_size=36", "data.crop_size=32", "train.epochs=1", root)
        recipe = recipes.read(tiny_file, [*small, *settings], catalog())
        return fit(Task(recipe, catalog()), tmp_path / "run").run_dir

    return train


def pairs(folder):
    """Source and target of the validation files, at their own size."""
    for path in sorted((folder.parent / "larger/val").glob("*.png")):
        whole = Image.open(path)
        width = whole.width // 2
        yield whole.crop((0, 0, width, whole.height)), whole.crop((width, 0, *whole.size))


def logged(run):
    """The l1 that the last validation has logged, of values between -1 and 1."""
    return json.loads((run / "validation.jsonl").read_text().splitlines()[-1])["l1"]


def difference(one, other):
    """The mean difference of two images, of values between -1 and 1."""
    return np.abs(np.asarray(one, float) - np.asarray(other, float)).mean() / 127.5


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((96, 96), ()),
        ((48, 96), ()),  # squeezed, as published
        ((32, 32), ()),
        ((24, 24), ()),  # enlarged
        ((96, 48), ('data.resize="shorter"',)),
        ((96, 96), ("data.load_size=96",)),  # only cut: pixel by pixel
        ((96, 96), ('data.direction="BtoA"',)),
    ],
)
def test_validation_measures_what_translate_gives(trained, size, settings):
    run = trained(size, *settings)
    translator = public.load(run, precision="fp32")
    errors = []
    for source, target in pairs(run):
        if "data.direction=" in "".join(settings):
            source, target = target, source
        result = translator(source)
        assert result.size == source.size
        errors.append(difference(result, target))
    # Results are written in 8 bits, and are measured before.
    assert np.mean(errors) == pytest.approx(logged(run), abs=0.5 / 127.5)


def test_at_its_own_size_or_another_a_picture_is_translated_otherwise(trained):
    run = trained((96, 96))
    ((source, target), *_) = pairs(run)
    as_trained = public.load(run, precision="fp32")(source)
    sized = public.load(run, precision="fp32", size=32)(source)
    native = public.load(run, precision="fp32", size="native")(source)
    assert as_trained.tobytes() == sized.tobytes() != native.tobytes()
    small = public.load(run, precision="fp32", size="native")(source.resize((32, 32), 3))
    assert difference(small.resize((96, 96), 3), as_trained) < 3 / 127.5


def test_labels_are_enlarged_by_nearest(trained):
    colours = "data.target.classes=[[0, 0, 0], [255, 255, 255], [200, 30, 30]]"
    run = trained((96, 96), colours, 'data.target.resample="nearest"')
    ((source, _), *_) = pairs(run)
    result = np.asarray(public.load(run, precision="fp32")(source))
    blocks = result.reshape(32, 3, 32, 3, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


@pytest.fixture
def derived(tiny_file, tmp_path):
    """Train on photographs of 96 px, from which the sources are derived; the run."""

    def train(name):
        for split in ("train", "val"):
            (tmp_path / "photos" / split).mkdir(parents=True)
            for number in range(3):
                draw_picture(number, (96, 96)).save(tmp_path / "photos" / split / f"{number}.png")
        root = f'data.root="{(tmp_path / "photos").as_posix()}"'
        settings = ("data.load_size=32", "data.crop_size=32", "train.epochs=1", root)
        layout = ('data.layout="photos"', f'data.derive="{name}"')
        recipe = recipes.read(tiny_file, [*settings, *layout], catalog())
        return fit(Task(recipe, catalog()), tmp_path / "run").run_dir

    return train


def test_what_is_derived_keeps_its_own_pixels(derived):
    """Colour comes from the small picture, lightness from the file."""
    run = derived("lab")
    grey = draw_picture(7, (96, 96)).convert("L")
    result = public.load(run, precision="fp32")(grey)
    assert np.abs(np.asarray(result.convert("L"), float) - np.asarray(grey, float)).mean() < 6


def test_super_resolution_is_pixel_by_pixel(derived, imtrans):
    """Its factor is what was learned: what is given is not made smaller before."""
    run = derived("downscale")
    small = draw_picture(7, (24, 24))
    assert public.load(run)(small).size == (96, 96)
    native = public.load(run, size="native", precision="fp32")(small)
    assert public.load(run, precision="fp32")(small).tobytes() == native.tobytes()
    assert "pixel by pixel, as trained on files of 96 x 96 px" in imtrans("inspect", run)[1]


def test_the_preview_shows_the_middle_of_what_translate_makes(trained):
    run = trained((96, 48), 'data.resize="shorter"')
    recipe = recipes.read(run / "recipe.toml", catalog=catalog())
    translator = public.load(run, precision="fp32")
    shown = images.to_tensor(images.to_image(images.to_tensor(drawn(recipe, translator))))
    ((source, _), *_) = pairs(run)
    given = translator.given(picture_of(source))
    output = translator.encoding.show_target(translator.output(given.source), given.source)
    assert torch.equal(shown[:, :32, 36:68], output[:, :, 16:48])


def drawn(recipe, translator):
    return Preview(Task(recipe, catalog()), {"generator": translator}).draw()


def test_large_pairs_are_measured_smaller(trained, monkeypatch):
    monkeypatch.setattr(samples, "MOST_MEASURED", 48 * 48)
    run = trained((96, 96))
    task = Task(recipes.read(run / "recipe.toml", catalog=catalog()), catalog())
    source, target = task.sampler.measured(task.validation_pairs[0], task.scale)
    assert (source.shape[-2:], target.shape[-2:]) == ((32, 32), (48, 48))


def test_inspect_and_the_header_say_the_scale(trained, imtrans):
    run = trained((96, 96))
    code, out, _ = imtrans("inspect", run)
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("scale "))
    said = "pictures are resized by 0.333, as in training on files of 96 x 96 px"
    assert line.split(maxsplit=1)[1] == said
    file = next(run.glob("checkpoints/step_*/generator.safetensors"))
    assert read_header(file).scale.factors == (1 / 3, 1 / 3)


def test_a_picture_far_from_what_was_seen_gets_one_line(trained, imtrans, tmp_path):
    run = trained((96, 96))
    (tmp_path / "photos").mkdir()
    for name, size in (("a.png", (200, 96)), ("b.png", (96, 96)), ("c.png", (20, 96))):
        draw_picture(1, size).save(tmp_path / "photos" / name)
    code, _, err = imtrans("translate", "--checkpoint", run, "photos", "--output", "out")
    assert code == 0
    assert err == (
        "note: photos/a.png: 200 x 96 px is far from what training saw, files of 96 x 96 px; it is "
        "translated as 67 x 32 px; likewise 1 more. --size chooses another size\n"
    )
    with pytest.warns(UserWarning, match="a.png: 200 x 96 px is far from what training saw"):
        public.load(run)(tmp_path / "photos/a.png")


@pytest.mark.parametrize("size", ["0", "-3", "half", "1.5", "٣", "9999999999"])
def test_a_size_that_is_none_is_refused(imtrans, trained, size):
    code, _, err = imtrans("translate", "--checkpoint", "run", "x.png", "--size", size)
    assert code == 2
    assert f"'{size}' is not trained, native, or a number of px" in " ".join(err.split())
