"""Shares of an evaluation: the last one writes what one process would have written."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from drawn import draw_picture, write_pairs
from started_ranks import torchrun
from third_party import with_plugin

from imtrans.evaluation import shared
from imtrans.evaluation.of_folders import evaluate_folders
from imtrans.evaluation.parts import FOLDER
from imtrans.evaluation.wanted import Wanted
from imtrans.host.ranks import Rank
from imtrans.host.share import Share
from imtrans.recipe.catalog import catalog


@pytest.fixture
def folders(tmp_path):
    """Ten targets of two sizes, and outputs."""
    for number in range(10):
        for side, shift in (("targets", 0), ("outputs", 3)):
            (tmp_path / side).mkdir(exist_ok=True)
            size = (48, 32) if number % 2 else (40, 40)
            draw_picture(number + shift, size).save(tmp_path / side / f"{number}.png")
    return tmp_path


@pytest.fixture
def run(finished_run, tmp_path, pairs):
    write_pairs(pairs / "val", 7)
    return finished_run(tmp_path / "runs" / "tiny")


def written(folder):
    """All files of an evaluation."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def measured(imtrans, number, of, *arguments, code=0):
    found, out, err = imtrans("evaluate", *arguments, "--shard", f"{number}/{of}")
    assert found == code, err
    return out


def evaluated(share, gathered):
    return evaluate_folders(
        "outputs",
        "targets",
        Wanted(("l1",), device="cpu", share=share),
        catalog(),
        say=lambda _: None,
        bar=lambda *_: nullcontext(lambda: None),
        gathered=lambda _: gathered,
    )


METRICS = ("--metric", "l1", "--metric", "ssim", "--metric", "lab_histogram")
FOLDERS = ("outputs", "targets", *METRICS)


def test_shares_of_folders_give_what_one_process_gives(imtrans, folders):
    assert imtrans("evaluate", *FOLDERS, "--output", "alone")[0] == 0
    together = (*FOLDERS, "--output", "together")
    assert "1 of 3 parts are there; still missing: 1/3, 3/3\n" in measured(imtrans, 2, 3, *together)
    assert "2 of 3 parts are there; still missing: 3/3\n" in measured(imtrans, 1, 3, *together)
    assert not (folders / "together" / "metrics.json").exists()
    out = measured(imtrans, 3, 3, *together)
    assert "10 images; intervals of so few are rough" in out
    assert "written to together" in out
    assert written(folders / "together") == written(folders / "alone")


def test_shares_of_a_run_give_what_one_process_gives(imtrans, run, tmp_path):
    how = ("--recipe", "tiny", "--set", "train.precision=fp32")
    assert imtrans("evaluate", *how)[0] == 0
    place = run / "evaluation" / "validation"
    alone = written(place)
    for number in (3, 1, 2):
        assert written(place).items() >= alone.items()
        out = measured(imtrans, number, 3, *how)
    assert "report: " in out
    assert written(place) == alone


@pytest.fixture
def others():
    with with_plugin("metrics_of_others"):
        yield


def test_sets_are_measured_by_shares_too(imtrans, folders, others):
    how = ("outputs", "targets", "--metric", "set_distance", "--metric", "l1")
    assert imtrans("evaluate", *how, "--output", "alone")[0] == 0
    for number in (2, 1):
        measured(imtrans, number, 2, *how, "--output", "together")
    assert written(folders / "together") == written(folders / "alone")
    values = json.loads((folders / "alone" / "metrics.json").read_text())["metrics"]
    assert values.keys() == {"set_distance", "l1"}


def test_a_mean_of_a_third_party_is_measured_by_shares(imtrans, folders, others):
    how = ("outputs", "targets", "--metric", "mean_gap")
    assert imtrans("evaluate", *how, "--output", "alone")[0] == 0
    for number in (1, 2, 3):
        measured(imtrans, number, 3, *how, "--output", "together")
    assert written(folders / "together") == written(folders / "alone")


@pytest.mark.parametrize("of", [2, 3, 10])
def test_what_is_no_mean_over_images_needs_one_process(imtrans, folders, others, of):
    """Of two shares each has images of one size, and of ten one image."""
    how = ("outputs", "targets", "--metric", "pixel_gap", "--metric", "l1")
    for number in range(1, of):
        measured(imtrans, number, of, *how)
    code, out, err = imtrans("evaluate", *how, "--shard", f"{of}/{of}")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("pixel_gap is not measured by shares: its value is no mean over single")
    assert list(
        json.loads((folders / "outputs-evaluation/metrics.json").read_text())["metrics"]
    ) == ["l1"]
    assert not (folders / "outputs-evaluation" / FOLDER).exists()


def test_what_looks_at_all_images_is_refused_before_anything_is_measured(imtrans, folders, others):
    how = ("outputs", "targets", "--metric", "sum_of_outputs", "--metric", "l1")
    assert imtrans("evaluate", *how)[0] == 0
    code, _, err = imtrans("evaluate", *how, "--shard", "1/2")
    assert (code, err.count("\n")) == (2, 1)
    assert "error: sum_of_outputs is not measured by shares" in err
    assert "measure it without --shard and torchrun" in err


def test_more_shares_than_images_and_images_too_small_for_a_metric(imtrans, folders):
    for side in ("outputs", "targets"):
        for number in range(3, 10):
            (folders / side / f"{number}.png").unlink()
        draw_picture(1, (8, 8)).save(folders / side / "0.png")  # ssim needs 11 px
    assert imtrans("evaluate", *FOLDERS, "--output", "alone")[0] == 0
    for number in range(1, 6):
        measured(imtrans, number, 5, *FOLDERS, "--output", "together")
    assert written(folders / "together") == written(folders / "alone")


def test_a_damaged_image_is_named_by_its_share_and_by_the_last(imtrans, folders):
    (folders / "outputs" / "4.png").write_bytes(b"no image")
    assert imtrans("evaluate", *FOLDERS, "--output", "alone")[0] == 1
    how = (*FOLDERS, "--output", "together")
    code, out, err = imtrans("evaluate", *how, "--shard", "1/2")
    assert (code, err.startswith("skipped: 4: "), err.count("\n")) == (1, True, 1)
    code, out, err = imtrans("evaluate", *how, "--shard", "2/2")
    assert (code, err.startswith("skipped: 4: "), "9 images" in out) == (1, True, True)
    assert written(folders / "together") == written(folders / "alone")


def test_a_share_of_damaged_images_alone_is_a_part(imtrans, folders):
    for number in range(0, 10, 2):
        (folders / "outputs" / f"{number}.png").write_bytes(b"no image")
    how = (*FOLDERS, "--output", "together")
    measured(imtrans, 1, 2, *how, code=1)
    assert "5 images" in measured(imtrans, 2, 2, *how, code=1)
    for number in range(1, 10, 2):
        (folders / "outputs" / f"{number}.png").write_bytes(b"no image")
    measured(imtrans, 1, 2, *how, code=1)
    code, _, err = imtrans("evaluate", *how, "--shard", "2/2")
    assert (code, "error: none of 10 pairs could be measured: " in err) == (2, True)


def test_parts_of_another_evaluation_are_never_put_together(imtrans, run, folders):
    how = ("--recipe", "tiny", "--metric", "l1")
    earlier = run / "checkpoints" / "step_00000008"
    for others, differs in (
        (("--checkpoint", earlier, "--metric", "l1", "--output", run / "x"), "weights"),
        ((*how, "--set", "train.precision=bf16", "--output", run / "x"), None),
        ((*how, "--metric", "psnr", "--output", run / "x"), "metrics"),
        ((*how, "--split", "train", "--output", run / "x"), "split and images"),
    ):
        measured(imtrans, 1, 2, *others)
        out = measured(imtrans, 2, 2, *how, "--output", run / "x")
        assert "1 of 2 parts are there; still missing: 1/2. parts of another evaluation are" in out
        if differs:
            assert f"are there too: other {differs}\n" in out
        shutil.rmtree(run / "x")
    measured(imtrans, 1, 3, *how)
    assert "parts of 3 shares are there too; use one number for all" in measured(
        imtrans, 2, 2, *how
    )


def test_parts_of_images_that_have_changed_are_not_used(imtrans, folders):
    measured(imtrans, 1, 2, *FOLDERS)
    draw_picture(77, (48, 32)).save(folders / "outputs" / "7.png")
    assert "1 of 2 parts are there" in measured(imtrans, 2, 2, *FOLDERS)
    assert "other images" in measured(imtrans, 2, 2, *FOLDERS)
    assert "written to" in measured(imtrans, 1, 2, *FOLDERS)


def test_parts_of_a_copy_elsewhere_fit(imtrans, folders):
    shutil.copytree(folders / "outputs", folders / "node2" / "outputs")
    shutil.copytree(folders / "targets", folders / "node2" / "targets")
    for path in (folders / "node2").rglob("*.png"):
        os.utime(path)
    how = (*METRICS, "--output", "together")
    measured(imtrans, 1, 2, "outputs", "targets", *how)
    out = measured(imtrans, 2, 2, "node2/outputs", "node2/targets", *how)
    assert "written to together" in out


@pytest.mark.parametrize("left", [b"", b"{", None])
def test_a_damaged_part_is_missing(imtrans, folders, left):
    measured(imtrans, 1, 2, *FOLDERS)
    part = next((folders / "outputs-evaluation" / FOLDER).iterdir())
    part.write_bytes(part.read_bytes()[:-9] if left is None else left)
    assert "still missing: 1/2" in measured(imtrans, 2, 2, *FOLDERS)
    assert "written to" in measured(imtrans, 1, 2, *FOLDERS)


def test_an_aborted_share_is_measured_again(imtrans, folders, monkeypatch):
    """Its old part is removed when it begins, not used for what it does not finish now."""
    measured(imtrans, 1, 2, *FOLDERS)
    with monkeypatch.context() as patched:

        def stop(*_):
            raise KeyboardInterrupt

        patched.setattr("imtrans.evaluation.of_folders.measured_folders", stop)
        assert imtrans("evaluate", *FOLDERS, "--shard", "1/2")[0] == 130
    assert "still missing: 1/2" in measured(imtrans, 2, 2, *FOLDERS)
    with monkeypatch.context() as patched:
        patched.setattr("imtrans.evaluation.files.write", stop)
        assert imtrans("evaluate", *FOLDERS, "--shard", "1/2")[0] == 130
    assert "written to" in measured(imtrans, 2, 2, *FOLDERS)


def test_shares_that_end_at_once_write_one_evaluation(folders, monkeypatch):
    monkeypatch.chdir(folders)
    merges = []
    usual = shared.merged
    monkeypatch.setattr(shared, "merged", lambda *given: merges.append(1) or usual(*given))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: evaluated(Share(n, 4), [{}]), range(1, 5)))
    assert len(merges) == 1
    assert [one.pending for one in found].count(None) == 1
    assert not (folders / "outputs-evaluation" / FOLDER).exists()


def test_missing_parts_are_named_as_they_were_asked_for(folders, monkeypatch):
    """Two machines with two ranks each, of which the second's first rank is not there yet."""
    monkeypatch.chdir(folders)
    for number, rank, gathered in ((1, 1, None), (1, 0, [{}, {}]), (2, 1, None)):
        share = Share(number, 2).among(Rank(rank, 2))
        result = evaluated(share, gathered)
        expected = "1 of 2 parts are there; still missing: 2/2" if gathered else ""
        assert result.pending == expected
    assert evaluated(Share(2, 2).among(Rank(0, 2)), [{}, {}]).pending is None


@pytest.mark.soak
def test_ranks_of_torchrun_evaluate_together(imtrans, run, pairs, tmp_path):
    (pairs / "val" / "003.png").write_bytes(b"no image")  # rank 1 has it
    how = ("evaluate", "--recipe", "tiny", "--metric", "l1", "--metric", "psnr")
    code, out, err = imtrans(*how)
    assert code == 1
    place = run / "evaluation" / "validation"
    alone = written(place)
    shutil.rmtree(place)
    found = torchrun(tmp_path, 2, *how)
    assert found[:2] == (1, out)
    assert found[2].count(err) == 1
    assert written(place) == alone
