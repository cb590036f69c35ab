"""The page about a run says what is there, whatever is missing or damaged, and nothing more."""

import json
import re
import shutil
import time

import pytest
from drawn import draw_picture
from left_evaluation import write_evaluation
from parsed_page import ParsedPage
from PIL import Image

from imtrans.host.locks import locked
from imtrans.reporting.limit import LIMIT
from imtrans.reporting.page import TEMPLATES
from imtrans.reporting.report import write_report
from imtrans.runs.run_dir import lock_of

NASTY = """</script><b>&"'x"""


@pytest.fixture
def run(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


def reported(run):
    """The page, which is whole HTML and within its limit whatever the run."""
    report = write_report(run)
    assert report.path == run / "report.html"
    assert report.bytes == report.path.stat().st_size <= LIMIT
    return ParsedPage(report.path.read_text("utf-8"))


def test_a_run_has_its_curves_samples_recipe_data_and_state(run):
    page = reported(run)
    assert [attrs["class"] for attrs in page.all("p") if "state" in attrs.get("class", "")] == [
        "state state-done"
    ]
    for text in (
        "Trained to the end.",
        "pix2pix, resnet_6 + patch_16, vanilla + 100 l1",
        "6 pairs to train on, 3 for validation.",
        "Samples at step 12",
        "The check found nothing wrong.",
        "imtrans evaluate --checkpoint",
        "No shipped recipe has its title or its name.",
        "step 12",
    ):
        assert text in page.text, text
    metrics, losses, speed = page.data[1:4]
    assert page.data[0]["steps"] == [0, 3, 6, 9, 12]
    assert [len(group) for group in (metrics, losses, speed)] == [3, 3, 3]
    thumbs = [attrs for attrs in page.all("button") if "data-thumb" in attrs]
    assert [thumb["data-name"] for thumb in thumbs] == ["sample 1", "sample 2", "sample 3"]


def test_nothing_in_it_is_from_elsewhere(run):
    write_evaluation(run)
    page = reported(run)
    addresses = [
        attrs[key] for _, attrs in page.elements for key in ("src", "href") if attrs.get(key)
    ]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "url(" not in (TEMPLATES / "page.css").read_text()
    (policy,) = [attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert not [attrs for _, attrs in page.elements if "style" in attrs]  # the policy forbids it
    assert not [key for _, attrs in page.elements for key in attrs if key.startswith("on")]


def test_every_picture_has_a_text_and_every_control_a_name(run):
    write_evaluation(run)
    page = reported(run)
    assert all("alt" in attrs for attrs in page.all("img"))
    assert page.text.count("Read at step") == 3
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_an_evaluation_is_shown_with_intervals_distributions_and_pictures(run):
    write_evaluation(run)
    page = reported(run)
    for text in (
        "Evaluation: val",
        "30 images at step 12 (step_00000012). Intervals are of 95% confidence, from 2,000",
        "0.194 to 0.206",
        "lower is better",
        "Worst by l1",
        "Best by l1",
        "1 image was skipped",
        "damaged image",
    ):
        assert text in page.text, text
    assert "imtrans evaluate" not in page.text
    assert len([1 for attrs in page.all("button") if "data-thumb" in attrs]) == 10
    assert len(page.all("svg", **{"class": "bars"})) == 3
    assert "l1 on val" in page.text


def group(page, title):
    """The names of the images under a heading, in their order."""
    at = next(i for i, text in enumerate(page.texts) if text == title)
    names = [attrs["data-name"] for attrs in page.all("button") if "data-thumb" in attrs]
    found = []
    for text in page.texts[at + 1 :]:
        if text.startswith(("Worst by", "Best by", "First by")):
            break
        found += [text] if text in names else []
    return found


def test_groups_have_all_their_members_in_order_and_each_picture_once(run):
    folder = write_evaluation(run, pictures=7)
    facts = json.loads((folder / "metrics.json").read_text())
    # l1: lower is better; the first by name are also among the worst and the best.
    values = [0.5, 0.1, 0.4, 0.3, 0.2, 0.6, 0.7]
    reasons = ["first worst", "first best", "first", "best", "best", "worst", "worst"]
    for entry, value, why in zip(facts["pictures"], values, reasons, strict=True):
        entry["values"]["l1"], entry["why"] = value, why.split()
    (folder / "metrics.json").write_text(json.dumps(facts))
    page = reported(run)
    titles = [t for t in page.texts if t.startswith(("Worst by", "Best by", "First by"))]
    assert titles == ["First by name", "Worst by l1", "Best by l1"]
    assert group(page, "First by name") == ["pair 0", "pair 1", "pair 2"]
    assert group(page, "Worst by l1") == ["pair 6", "pair 5", "pair 0"]
    assert group(page, "Best by l1") == ["pair 1", "pair 4", "pair 3"]
    assert page.text.count("Not selected by how good they are.") == 1
    uris = [attrs["src"] for attrs in page.all("img") if "data-side" in attrs]
    assert len(uris) == 7 * 3


def test_values_beside_a_picture_are_in_the_order_of_the_metrics(run):
    folder = write_evaluation(run, pictures=1)
    facts = json.loads((folder / "metrics.json").read_text())
    one = facts["metrics"].pop("l1")
    facts["metrics"] = {"ssim": one, "l1": one, "psnr": one}
    facts["pictures"][0]["values"]["alone"] = 1
    (folder / "metrics.json").write_text(json.dumps(facts))
    (thumb,) = [attrs for attrs in reported(run).all("button") if "data-thumb" in attrs]
    rows = json.loads(thumb["data-values"])["rows"]
    assert [name for name, _ in rows] == ["ssim", "l1", "psnr", "alone"]


def test_several_splits_are_named(run):
    write_evaluation(run, "test", pictures=2)
    write_evaluation(run, "val", targets=False)
    page = reported(run)
    assert "Evaluation: test" in page.text
    assert "Worst by l1, val" in page.text
    assert "target of" not in str([a["alt"] for a in page.all("img") if "pair 5" in a["alt"]])


def test_texts_of_others_are_texts_and_nothing_else(run):
    toml = (run / "recipe.toml").read_text()
    toml = toml.replace('title = "tiny"', f"title = {json.dumps(NASTY)}\nreference = '''{NASTY}'''")
    (run / "recipe.toml").write_text(toml)
    logged = {"step": 14, "epoch": 3, NASTY: 1.5}
    for name in ("metrics", "validation"):
        with (run / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(logged) + "\n")
    session = {"step": 0, "command": f"imtrans train '{NASTY}'", "began": NASTY, "device": NASTY}
    (run / "sessions.jsonl").write_text(json.dumps(session) + "\n")
    folder = write_evaluation(run, name=NASTY + " {}")
    facts = json.loads((folder / "metrics.json").read_text())
    facts |= {"main": NASTY, "split": NASTY, "checkpoint": NASTY}
    facts["metrics"][NASTY] = facts["metrics"]["l1"]
    (folder / "metrics.json").write_text(json.dumps(facts))
    place = run.with_name("a <i>&'\"")
    run.rename(place)
    page = reported(place)
    assert [attrs for attrs in page.all("b") if not attrs] != []  # of the page itself
    assert page.text.count(NASTY) > 10
    assert NASTY in [attrs.get("data-name", "")[: len(NASTY)] for attrs in page.all("button")]
    assert len(page.all("i")) < 5
    whole = (place / "report.html").read_text()
    assert whole.count("</script>") == 1 + len(page.data)
    assert "<b>&" not in whole


def test_a_run_that_is_still_training_says_so(run):
    with locked(lock_of(run)):
        page = reported(run)
    assert "Still training: this page shows it as it was on" in page.text


def test_one_step_is_a_good_page(run):
    for name in ("metrics", "validation"):
        lines = (run / f"{name}.jsonl").read_text().splitlines()
        (run / f"{name}.jsonl").write_text(lines[-1] + "\n")
    for sample in sorted((run / "samples").iterdir())[1:]:
        sample.unlink()
    page = reported(run)
    assert "Through training" not in page.text  # of one frame there is no film
    assert len(page.data) == 3


@pytest.mark.thorough
def test_a_hundred_thousand_steps_are_a_page_in_a_moment(run):
    rows = (
        f'{{"step": {step}, "epoch": 1, "d": {step % 97 / 97}, "g": 1.5, "l1": 0.25, '
        f'"learning_rate": 0.0002, "images_per_second": 30.5, "waiting": 0.01}}\n'
        for step in range(1, 100_001)
    )
    (run / "metrics.jsonl").write_text("".join(rows))
    started = time.monotonic()
    page = reported(run)
    assert time.monotonic() - started < 20  # s; 1.5 on an idle machine
    assert (run / "report.html").stat().st_size < 2_000_000
    assert all(len(trace["steps"]) <= 600 for one in page.data[2] for trace in one["traces"])


def test_a_run_without_anything_but_its_recipe_is_a_good_page(run):
    for name in ("samples", "checkpoints"):
        shutil.rmtree(run / name)
    (run / "checkpoints").mkdir()
    for name in ("metrics", "validation", "sessions"):
        (run / f"{name}.jsonl").unlink(missing_ok=True)
    page = reported(run)
    for text in (
        "This run has no samples yet.",
        "No losses were logged yet.",
        "Nothing was measured on validation pairs.",
        "No sessions were noted in this run.",
    ):
        assert text in page.text, text


def test_data_that_is_gone_is_a_sentence(run, pairs):
    shutil.rmtree(pairs)
    assert "The data cannot be looked at here:" in reported(run).text


def test_without_validation_pairs_it_says_so(run, pairs):
    shutil.rmtree(pairs / "val")
    (run / "validation.jsonl").unlink()
    assert "Nothing was measured on validation pairs: the data has none." in reported(run).text


def test_what_is_damaged_is_named_and_the_rest_is_shown(run):
    (run / "recipe.toml").write_text("title = ")
    for name in ("metrics", "validation"):
        with (run / f"{name}.jsonl").open("a") as file:
            file.write('{"step": 14, "l1": 0.\n\n')
    (run / "samples" / "step_00000012.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (run / "sessions.jsonl").write_bytes(b"\xff\xfe{")
    folder = write_evaluation(run)
    (folder / "pictures" / "0000-output.png").write_bytes(b"")
    (folder / "metrics.csv").write_bytes(b"name,l1\n\xff,x\n\0,\n")
    other = write_evaluation(run, "other")
    (other / "metrics.json").write_text('{"metrics": [1, 2')
    page = reported(run)
    for text in (
        "What could not be read",
        "recipe.toml",
        "2 lines of metrics.jsonl cannot be read and are left out.",
        "2 pictures cannot be shown: samples/step_00000012.png, evaluation/val/pictures/0000-",
        "evaluation/other/metrics.json cannot be read",
        "pix2pix, resnet_6",  # from the checkpoint
        "step 9",
    ):
        assert text in page.text, text


@pytest.mark.parametrize(
    "facts", ["[]", "null", '{"metrics": {"l1": 3}}', '{"pictures": [1]}', "{}"]
)
def test_an_evaluation_of_another_shape_is_a_line(run, facts):
    folder = run / "evaluation" / "val"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(facts)
    page = reported(run)
    assert ("evaluation/val/metrics.json cannot be read" in page.text) == (facts != "{}")


def test_a_picture_elsewhere_is_not_embedded(run, tmp_path):
    draw_picture(1, (50, 50)).save(tmp_path / "secret.png")
    folder = write_evaluation(run, pictures=2)
    (folder / "pictures" / "link.png").symlink_to(tmp_path / "secret.png")
    facts = json.loads((folder / "metrics.json").read_text())
    facts["pictures"][0]["output"] = "../../../../secret.png"
    facts["pictures"][1]["source"] = "pictures/link.png"
    facts["pictures"][1]["target"] = str(tmp_path / "secret.png")
    (folder / "metrics.json").write_text(json.dumps(facts))
    page = reported(run)
    assert "3 pictures cannot be shown" in page.text
    assert len([1 for attrs in page.all("button") if "data-thumb" in attrs]) == 1


def test_without_a_recipe_anywhere_the_rest_is_shown(run):
    (run / "recipe.toml").unlink()
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    page = reported(run)
    assert "The recipe of this run cannot be read" in page.text
    assert "Without its recipe it is not known what this run was trained on." in page.text
    assert "Samples at step 12" in page.text  # divided without knowing the size of its cells


@pytest.mark.thorough
def test_many_large_pictures_still_fit(run):
    write_evaluation(run, size=(64, 64), pictures=24)
    noise = Image.effect_noise((500, 400), 90).convert("RGB")
    for path in (run / "evaluation" / "val" / "pictures").iterdir():
        noise.save(path, compress_level=1)
    page = reported(run)
    assert "of their size" in page.text or "at their own size, compressed" in page.text
    assert "the files are exact" in page.text


def test_it_differs_from_the_shipped_recipe_in_what_was_changed(run):
    toml = (run / "recipe.toml").read_text()
    shipped = "Aerial photograph to street map"
    (run / "recipe.toml").write_text(toml.replace('title = "tiny"', f'title = "{shipped}"'))
    page = reported(run)
    assert "What differs from the shipped recipe maps :" in page.text
    rows = re.findall(r"data\.crop_size (\S+) (\S+)", page.text)
    assert rows == [("64", "256")]
