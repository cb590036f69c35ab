"""What runs there are, and what may go."""

import io
import json
import shutil

import pytest
from rich.console import Console

from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.listing import find_runs, look_at, newest_whole
from imtrans.runs.run_dir import alone_in, is_trained_in, lock_of
from imtrans.task import Task
from imtrans.training.fit import fit


def trained(recipe, run, **options):
    return fit(Task(recipe, catalog()), run, console=Console(file=io.StringIO()), **options)


@pytest.fixture
def run(finished_run, tmp_path):
    """A whole run of 12 steps in 2 epochs, with checkpoints of steps 8 and 12."""
    return finished_run(tmp_path / "runs" / "tiny")


@pytest.fixture
def stopped(run):
    """The same, as it stood after its first 8 steps."""
    shutil.rmtree(run / "checkpoints" / "step_00000012")
    return run


def looked_at(run):
    return look_at(run, run.parent)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def listed(imtrans, *arguments):
    code, out, err = imtrans("runs", "list", "--json", *arguments)
    assert (code, err) == (0, "")
    return {row["name"]: row for row in json.loads(out)}


def test_a_run_is_listed_with_step_best_size_and_state(imtrans, run):
    code, out, err = imtrans("runs")
    assert (code, err) == (0, "")
    for part in (
        "tiny",
        "done",
        "12/12",
        "2/2",
        "l1",
        "psnr",
        "ssim",
        " 0.",
        "l1 at 12",
        "1 run, ",
    ):
        assert part in out, part
    row = listed(imtrans)["tiny"]
    facts = {key: row[key] for key in ("state", "step", "steps", "epoch", "epochs", "title")}
    assert facts == {
        **{"state": "done", "step": 12, "steps": 12},
        **{"epoch": 2, "epochs": 2, "title": "tiny"},
    }
    assert row["best"]["metric"] == "l1"
    assert row["best"]["value"] > 0
    assert row["bytes"] == sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    assert row["problem"] is None


def test_a_stopped_run_tells_how_far_it_is(stopped):
    found = looked_at(stopped)
    assert (found.state, found.step, found.steps, found.epoch) == ("stopped", 8, 12, 1)


def test_a_run_that_was_given_more_epochs_is_stopped(run):
    text = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(text.replace("epochs = 2", "epochs = 5"))
    found = looked_at(run)
    assert (found.state, found.step, found.steps) == ("stopped", 12, 30)


def test_a_run_in_which_somebody_trains_is_running_at_its_last_logged_step(stopped):
    with (stopped / "metrics.jsonl").open("a") as file:
        file.write('{"step": 13}\n{"step": 1')  # the last line is being written
    with alone_in(stopped):
        found = looked_at(stopped)
        assert is_trained_in(stopped)  # still: to ask has disturbed nobody
    assert (found.state, found.step) == ("running", 13)
    assert looked_at(stopped).step == 8


def test_to_look_at_runs_writes_nothing(imtrans, run, tmp_path):
    before = names(tmp_path)
    assert imtrans("runs", "list")[0] == 0
    assert imtrans("runs", "clean", "--checkpoints")[0] == 0
    assert names(tmp_path) == before


def test_a_lock_file_that_was_left_is_no_running_run(run):
    lock_of(run).touch()
    assert not is_trained_in(run)
    assert looked_at(run).state == "done"


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


BROKEN = {
    "newest cut off": lambda run: cut(run / "checkpoints/step_00000012/training.safetensors"),
    "newest without a part": lambda run: (
        run / "checkpoints/step_00000012/discriminator.safetensors"
    ).unlink(),
    "all cut off": lambda run: [cut(f / "generator.safetensors") for f in checkpoints(run)],
    "no recipe": lambda run: (run / "recipe.toml").unlink(),
    "another's recipe": lambda run: (run / "recipe.toml").write_bytes(b"\xff\x00 = ["),
    "a recipe of a later version": lambda run: (run / "recipe.toml").write_text("[new]\nx = 1"),
    "no log": lambda run: (run / "metrics.jsonl").unlink(),
    "a log of rubbish": lambda run: (run / "metrics.jsonl").write_bytes(b"\x00\xff[]\n7\n"),
    "a folder for a log": lambda run: [
        (run / "metrics.jsonl").unlink(),
        (run / "metrics.jsonl").mkdir(),
    ],
    "no checkpoints": lambda run: [shutil.rmtree(path) for path in checkpoints(run)],
}
TOLD = {
    "newest cut off": ("stopped", 8, True),
    "newest without a part": ("stopped", 8, True),
    "all cut off": ("damaged", 0, True),
    "no recipe": ("done", 12, True),
    "another's recipe": ("done", 12, True),
    "a recipe of a later version": ("done", 12, True),
    "no log": ("done", 12, False),
    "a log of rubbish": ("done", 12, False),
    "a folder for a log": ("done", 12, False),
    "no checkpoints": ("stopped", 0, False),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_run_never_ends_the_listing(imtrans, run, what):
    shutil.copytree(run, run.with_name("whole"))
    BROKEN[what](run)
    rows = listed(imtrans)
    assert rows["whole"]["state"] == "done"
    broken = rows["tiny"]
    assert (broken["state"], broken["step"], bool(broken["problem"])) == TOLD[what]
    assert imtrans("runs")[0] == 0
    with alone_in(run):
        assert looked_at(run).state == "running"


@pytest.mark.parametrize(
    "best", ['{"value": "x"}', "7", "[]", "null", '{"more": 1}', '{"value": 1, "step": "a"}']
)
def test_rubbish_for_the_best_is_none(run, best, monkeypatch):
    header = newest_whole(run)
    header.facts["best"] = best
    monkeypatch.setattr("imtrans.runs.listing.newest_whole", lambda *_: header)
    assert looked_at(run).best.value is None


def test_runs_are_found_in_folders_of_folders_and_only_runs(imtrans, run, tmp_path):
    shutil.copytree(run, tmp_path / "runs" / "more" / "deep" / "other")
    (tmp_path / "runs" / "pictures").mkdir()
    shutil.copy(run / "recipe.toml", tmp_path / "runs" / "pictures" / "recipe.toml")
    assert {*listed(imtrans)} == {"tiny", "more/deep/other"}
    assert {*listed(imtrans, "runs/more/deep/other")} == {"other"}
    assert find_runs(run / "samples") == []


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_narrow_terminal_still_tells_what_matters(imtrans, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = imtrans("runs")[1]
    assert max(map(len, out.splitlines())) <= width
    for part in ("tiny", "done", "12/12", "l1", " 0."):
        assert part in out, part
    assert ("last written" in out) == (width == 200)
    assert ("ssim" in out) == (width >= 60)


def measured(run, *rows):
    (run / "validation.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def change(run, old, new):
    """Another recipe in a run's files."""
    path = run / "recipe.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def row_of(out, name):
    return next(line.split() for line in out.splitlines() if line.startswith(name))


@pytest.fixture
def two_runs(run):
    """`tiny` keeps the best l1, `other` the best ssim; both have measured more."""
    other = run.with_name("other")
    shutil.copytree(run, other)
    first = {"step": 0, "epoch": 1, "l1": 0.01, "ssim": 0.99}  # of untrained networks
    measured(
        run,
        first,
        {"step": 6, "epoch": 1, "l1": 0.2, "ssim": 0.5},
        {"step": 12, "epoch": 2, "l1": 0.3, "ssim": 0.4},
    )
    measured(other, first, {"step": 12, "epoch": 2, "l1": 0.1, "ssim": 0.7, "new": 3})
    change(other, "width = 4\n", "width = 8\n")
    change(other, "[validate]\n", '[validate]\nkeep_best = "ssim"\n')
    return run, other


def test_runs_are_listed_by_the_same_metrics_whatever_they_keep(imtrans, two_runs):
    out = imtrans("runs")[1]
    head = out.splitlines()[0].split()
    columns = [head.index(name) for name in ("l1", "ssim")]
    assert [row_of(out, "tiny")[column] for column in columns] == ["0.2", "0.5"]
    assert [row_of(out, "other")[column] for column in columns] == ["0.1", "0.7"]
    assert "do not compare" not in out
    assert "compare only" not in out
    facts = listed(imtrans)["tiny"]["metrics"]["l1"]
    assert facts == {"best": 0.2, "best_step": 6, "last": 0.3, "last_step": 12}


def test_the_listing_says_which_metrics_do_not_compare(imtrans, two_runs):
    _, other = two_runs
    change(other, "crop_size = 64", "crop_size = 32")
    line = imtrans("runs")[1].splitlines()[-1]
    assert line == ("metrics compare only within the same validation pairs and size: other | tiny")


def test_two_runs_are_compared_by_recipe_and_metrics(imtrans, two_runs):
    code, out, err = imtrans("runs", "compare", "runs/tiny", "runs/other")
    assert (code, err) == (0, "")
    assert row_of(out, "generator.width") == ["generator.width", "4", "8"]
    assert row_of(out, "discriminator.width") == ["discriminator.width", "4", "8"]
    assert "train.epochs" not in out
    assert "0.2 at 6, last 0.3  0.1 at 12, last 0.1" in out
    assert "0.5 at 6, last 0.4  0.7 at 12, last 0.7" in out
    assert "l1 (lower is better)" in out
    assert "ssim (higher is better)" in out
    assert row_of(out, "new") == ["new", "-", "last", "3"]  # of no metric that is installed
    assert "do not compare" not in out
    change(two_runs[1], "load_size = 72", "load_size = 64")
    assert "do not compare" in imtrans("runs", "compare", *two_runs)[1]


def test_equal_runs_and_runs_without_metrics_are_compared_too(imtrans, run):
    shutil.copytree(run, run.with_name("other"))
    for one in ("tiny", "other"):
        (run.with_name(one) / "validation.jsonl").unlink()
    code, out, _ = imtrans("runs", "compare", "runs/tiny", "runs/other")
    assert code == 0
    assert "the recipes are equal" in out
    assert "nothing was measured on validation pairs" in out


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["runs/tiny"], "name two runs or more"),
        (["runs/tiny", "runs/none"], "runs/none: no such run"),
        (["runs/tiny", "runs"], "runs: not a run; `imtrans runs list runs` lists those below"),
    ],
)
def test_what_cannot_be_compared_is_one_line(imtrans, run, names, said):
    code, _, err = imtrans("runs", "compare", *names)
    assert (code, said in err) == (2, True)


def test_no_runs_is_no_mistake_but_a_misspelt_folder_is(imtrans):
    assert imtrans("runs")[:2] == (0, "no runs in runs\n")
    assert imtrans("runs", "clean")[:2] == (0, "nothing to remove in runs\n")
    code, _, err = imtrans("runs", "list", "rums")
    assert (code, err) == (
        2,
        "error: rums: no such folder; name the folder that holds your runs\n",
    )


def test_translate_takes_the_best_generator_when_asked(imtrans, run, tmp_path, pairs):
    shutil.rmtree(run / "checkpoints" / "step_00000012")
    shutil.rmtree(run / "checkpoints" / "step_00000008")
    for chosen in (["--recipe", "tiny"], ["--checkpoint", "runs/tiny"]):
        code, out, err = imtrans("translate", *chosen, "--best", "pairs/val")
        assert (code, err) == (0, "")
        assert "3 there already" in out or "3 images in pairs/val-tiny" in out
    assert imtrans("translate", "--recipe", "tiny", "pairs/val")[0] == 2


def test_without_a_best_generator_that_is_said(imtrans, run, pairs):
    shutil.rmtree(run / "checkpoints" / "best")
    code, _, err = imtrans("translate", "--recipe", "tiny", "--best", "pairs/val")
    assert code == 2
    assert err.startswith("error: runs/tiny: no best generator is kept there")
    code, _, err = imtrans("translate", "--checkpoint", "pairs", "--best", "pairs/val")
    assert (code, "pairs: not a run" in err) == (2, True)
    code, _, err = imtrans("translate", "--checkpoint", "nowhere", "--best", "pairs/val")
    assert (code, "nowhere: no such run" in err) == (2, True)
