"""`imtrans evaluate OUTPUTS TARGETS`: images by whoever made them."""

import json

import numpy as np
import pytest
import tifffile
from drawn import draw_picture
from PIL import Image, ImageFilter


@pytest.fixture
def folders(tmp_path):
    """Targets, and outputs that are blurred."""
    for name in ("outputs/deep", "targets/deep"):
        (tmp_path / name).mkdir(parents=True)
    for number in range(6):
        place = "deep/" if number % 2 else ""
        picture = draw_picture(number, (64, 80))
        picture.save(tmp_path / "targets" / f"{place}{number}.png")
        blurred = picture.filter(ImageFilter.GaussianBlur(1 + number % 3))
        blurred.save(tmp_path / "outputs" / f"{place}{number}.png")
    return tmp_path


def found(folders, name="outputs-evaluation"):
    return json.loads((folders / name / "metrics.json").read_text())


def by_hand(folders, number, place=""):
    output, target = (
        np.asarray(Image.open(folders / side / f"{place}{number}.png"), np.float64) / 127.5 - 1
        for side in ("outputs", "targets")
    )
    return np.abs(output - target).mean()


def test_images_of_one_name_are_measured(imtrans, folders):
    code, out, err = imtrans("evaluate", "outputs", "targets")
    assert (code, err) == (0, "")
    each = [by_hand(folders, n, "deep/" if n % 2 else "") for n in range(6)]
    assert found(folders)["metrics"]["l1"]["value"] == pytest.approx(np.mean(each), abs=1e-6)
    assert "6 images; intervals of so few are rough" in out


def test_identical_images_have_values_that_json_can_hold(imtrans, folders):
    assert imtrans("evaluate", "targets", "targets", "--output", "same")[0] == 0
    metrics = found(folders, "same")["metrics"]
    assert (metrics["l1"]["value"], metrics["psnr"]["value"]) == (0, 100)
    assert metrics["ssim"]["value"] == pytest.approx(1)
    assert "NaN" not in (folders / "same" / "metrics.json").read_text()


def test_suffixes_do_not_matter_and_patterns_say_what_names_share(imtrans, folders):
    Image.open(folders / "outputs" / "0.png").save(folders / "outputs" / "0.bmp")
    (folders / "outputs" / "0.png").unlink()
    assert imtrans("evaluate", "outputs", "targets")[0] == 0
    (folders / "results").mkdir()
    for number in (0, 2, 4):
        for side, kind in (("outputs", "fake_B"), ("targets", "real_B")):
            image = next((folders / side).glob(f"{number}.*"))
            Image.open(image).save(folders / "results" / f"{number}_{kind}.png")
    patterns = "results/{name}_fake_B.png", "results/{name}_real_B.png"
    assert imtrans("evaluate", *patterns)[0] == 0
    assert found(folders, "results-evaluation")["n"] == 3


def test_images_without_a_partner_are_named(imtrans, folders):
    (folders / "outputs" / "0.png").unlink()
    (folders / "targets" / "2.png").unlink()
    code, _, err = imtrans("evaluate", "outputs", "targets")
    assert code == 1
    assert "1 output without a target: 2" in err
    assert "1 target without an output: 0" in err
    assert found(folders)["n"] == 4


def test_no_name_in_common_is_one_line(imtrans, folders):
    for file in (folders / "outputs").rglob("*.png"):
        file.rename(file.with_name(f"{file.stem}_fake_B.png"))
    code, _, err = imtrans("evaluate", "outputs", "targets")
    assert code == 2
    assert "no image of outputs has the name of one of targets" in err
    assert len(err.strip().splitlines()) == 1


def test_another_size_is_named_and_skipped(imtrans, folders):
    output = folders / "outputs" / "0.png"
    Image.open(output).resize((32, 40)).save(output)
    code, _, err = imtrans("evaluate", "outputs", "targets")
    assert code == 1
    assert "32 x 40 px, and its target is 64 x 80 px" in err
    for file in (folders / "outputs").rglob("*.png"):
        Image.open(file).resize((32, 40)).save(file)
    code, _, err = imtrans("evaluate", "outputs", "targets")
    assert code == 2
    assert "bring both to one size first" in err


@pytest.mark.parametrize("damaged", ["outputs", "targets"])
def test_a_damaged_image_is_named_and_skipped(imtrans, folders, damaged):
    file = folders / damaged / "0.png"
    file.write_bytes(file.read_bytes()[:100])
    code, _, err = imtrans("evaluate", "outputs", "targets")
    assert code == 1
    assert f"skipped: 0: {damaged}/0.png" in err
    assert found(folders)["n"] == 5


def test_empty_folders_and_files_are_refused(imtrans, folders):
    (folders / "empty").mkdir()
    assert "there are no images" in imtrans("evaluate", "empty", "targets")[2]
    assert "is a file" in imtrans("evaluate", "outputs/0.png", "targets/0.png")[2]
    assert "two images are named '0'" in twice(imtrans, folders)


def twice(imtrans, folders):
    Image.open(folders / "outputs" / "0.png").save(folders / "outputs" / "0.bmp")
    return imtrans("evaluate", "outputs", "targets")[2]


def test_sixteen_bits_and_floats_are_measured_in_their_own_range(imtrans, folders):
    random = np.random.default_rng(0)
    for side, shift in (("made", 655), ("wanted", 0)):
        for kind in ("16", "float"):
            (folders / f"{side}{kind}").mkdir()
        for number in range(3):
            values = np.random.default_rng(number).integers(1000, 60000, (24, 24)) + shift
            name = f"{number}.tif"
            tifffile.imwrite(folders / f"{side}16" / name, values.astype(np.uint16))
            tifffile.imwrite(folders / f"{side}float" / name, (values / 65535).astype(np.float32))
    del random
    assert imtrans("evaluate", "made16", "wanted16")[0] == 0
    value = found(folders, "made16-evaluation")["metrics"]["l1"]["value"]
    assert value == pytest.approx(2 * 655 / 65535, rel=1e-4)
    code, _, err = imtrans("evaluate", "madefloat", "wantedfloat")
    assert (code, "--range 0 1" in err) == (2, True)
    assert imtrans("evaluate", "madefloat", "wantedfloat", "--range", 0, 1)[0] == 0
    value = found(folders, "madefloat-evaluation")["metrics"]["l1"]["value"]
    assert value == pytest.approx(2 * 655 / 65535, rel=1e-3)


def test_keys_of_a_recipe_have_no_place_here(imtrans, folders):
    code, _, err = imtrans("evaluate", "outputs", "targets", "--set", "data.root=x")
    assert (code, "only options of metrics" in err) == (2, True)
    code, _, err = imtrans("evaluate", "outputs", "targets", "--split", "val")
    assert (code, "belong to a run" in err) == (2, True)


@pytest.mark.parametrize("span", [(1, 0), (0, 0), ("nan", 1), (0, "inf")])
def test_a_range_that_is_none_is_one_line(imtrans, folders, span):
    code, _, err = imtrans("evaluate", "outputs", "targets", "--range", *span)
    assert (code, "the lower one first" in err) == (2, True)


def test_one_grey_target_makes_no_other_image_grey(imtrans, folders):
    imtrans("evaluate", "outputs", "targets")
    before = found(folders)["metrics"]["l1"]["value"]
    Image.new("L", (64, 80), 100).save(folders / "targets" / "!.png")
    Image.new("RGB", (64, 80), (100, 100, 100)).save(folders / "outputs" / "!.png")
    assert imtrans("evaluate", "outputs", "targets")[0] == 0
    assert found(folders)["metrics"]["l1"]["value"] == pytest.approx(before * 6 / 7)


def test_printed_targets_are_measured_as_colours(imtrans, folders):
    for side in ("outputs", "targets"):
        Image.open(folders / side / "0.png").convert("CMYK").save(folders / side / "0.jpg")
        (folders / side / "0.png").unlink()
    assert imtrans("evaluate", "outputs", "targets")[0] == 0
    assert found(folders)["n"] == 6


def test_the_limit_of_pixels_is_that_of_the_option_that_its_message_names(imtrans, folders):
    limit = 64 * 80
    picture = Image.new("RGB", (65, 80))
    for side in ("outputs", "targets"):
        picture.save(folders / side / "0.png")
    code, _, err = imtrans("evaluate", "outputs", "targets", "--max-pixels", limit)
    assert (code, "skipped: 0: " in err, "raise --max-pixels" in err) == (1, True, True)
    assert imtrans("evaluate", "outputs", "targets", "--max-pixels", limit + 80)[0] == 0


def test_a_metric_that_looks_at_sources_needs_a_run(imtrans, folders):
    for setting in ((), ("--set", "fcn_score.scorer=some.safetensors")):
        code, _, err = imtrans("evaluate", "outputs", "targets", "--metric", "fcn_score", *setting)
        assert (code, "looks at the sources" in err) == (2, True)
