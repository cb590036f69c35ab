"""`imtrans sweep`: variants and seeds trained in order, continued, and compared."""

import json
import shutil
import signal

import pytest
from small_sweep import write_sweep
from traces import differences, traces

from imtrans.recipe.catalog import catalog
from imtrans.runs.run_dir import alone_in
from imtrans.sweeping import planning
from imtrans.sweeping.file import read_sweep
from imtrans.sweeping.planning import Planner
from imtrans.sweeping.timing import StepTime
from imtrans.training.loop import Loop

SEEDS = ["paper-seed-0", "hinge-seed-0", "paper-seed-1", "hinge-seed-1"]


@pytest.fixture(autouse=True)
def no_reports(monkeypatch):
    """Which are tested elsewhere, and take as long as these trainings."""
    monkeypatch.setattr("imtrans.cli.sweep.report_at_the_end", lambda *given: None)


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory):
    """The files of a sweep, to be copied: runs know the times of their pictures."""
    folder = tmp_path_factory.mktemp("drawn")
    write_sweep(folder)
    return folder


@pytest.fixture
def file(tmp_path, monkeypatch, drawn_once):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drawn_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "small_sweep.toml"


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs" / "sweeps" / "small_sweep"


@pytest.fixture(scope="module")
def swept_once(tmp_path_factory):
    """A finished sweep, and what it printed; to be copied, and left as it is."""
    return tmp_path_factory.mktemp("swept"), {}


@pytest.fixture
def swept(imtrans, file, runs, swept_once):
    """A finished sweep in the place of this test, and what it printed."""
    folder, done = swept_once
    if not done:
        code, out, err = imtrans("sweep", file, "--runs", folder / "runs", "--device", "cpu")
        assert (code, err) == (0, ""), out
        done["out"] = out
    shutil.copytree(folder / "runs", runs)
    return done["out"]


def names(out):
    """The runs that were begun or passed over, in order."""
    lines = [line for line in out.splitlines() if line.startswith("run ")]
    return [line.partition(": ")[2] for line in lines]


def test_seed_by_seed_all_variants_are_trained_and_compared(swept, runs):
    assert names(swept) == SEEDS
    assert "hinge" in swept
    assert "note: 6 images are few" in swept
    text = (runs / "table.md").read_text()
    header, _, paper, hinge = [row for row in text.splitlines() if row.startswith("|")][:4]
    assert header.startswith("| variant | seeds | steps | minutes | l1 (lower is better) |")
    assert paper.startswith("| paper | 2 | 6 | ")
    assert hinge.count(" to ") >= 3  # intervals
    assert "| difference from paper |" in text
    found = json.loads((runs / "table.json").read_text())
    assert [one["name"] for one in found["variants"]] == ["paper", "hinge"]
    first, second = found["variants"]
    assert "differences" not in first
    assert set(second["differences"]) == set(second["values"])
    low, high = second["values"]["l1"]["interval"]
    assert low < second["values"]["l1"]["value"] < high
    assert all(seconds > 0 for seconds in first["seconds"])


def test_the_runs_are_what_train_makes(imtrans, swept, file, runs, tmp_path):
    keys = (
        "train.epochs=1",
        "train.engine=plain",
        "data.workers=0",
        "adversarial.name=hinge",
        "seed=1",
    )
    words = [word for key in keys for word in ("--set", key)]
    assert imtrans("train", tmp_path / "small.toml", *words, "--run-dir", "alone")[0] == 0
    shutil.rmtree(runs / "hinge-seed-1" / "evaluation")
    assert differences(runs / "hinge-seed-1", traces(tmp_path / "alone")) == []


def test_what_is_finished_is_not_trained_again_and_what_was_added_is(imtrans, swept, file, runs):
    before = traces(runs)
    write_sweep(file.parent, more='[variants.lsgan]\n"adversarial.name" = "lsgan"\n', seeds=[0])
    code, out, err = imtrans("sweep", file, "--device", "cpu")
    assert (code, err) == (0, "")
    assert names(out) == ["paper-seed-0 is finished", "hinge-seed-0 is finished", "lsgan-seed-0"]
    assert "evaluating paper" not in out
    now = traces(runs)
    tables = {"table.md", "table.json", "sweep.json"}
    assert [name for name in before if name not in tables and now[name] != before[name]] == []
    assert "| lsgan | 1 | 6 |" in (runs / "table.md").read_text()


def test_all_are_measured_as_the_file_says(imtrans, swept, file, runs):
    """Also those that were measured otherwise before."""
    palette = '"mean_iou.palette" = [[0, 0, 0], [255, 255, 255]]'
    measured = f"[evaluate]\ndata.flip = false\n{palette}\n\n[variants.paper]"
    file.write_text(file.read_text().replace("[variants.paper]", measured))
    code, out, err = imtrans("sweep", file, "--device", "cpu")
    assert (code, err) == (0, "")
    for name in SEEDS:
        assert f"evaluating {name}" in out
        facts = json.loads((runs / name / "evaluation" / "validation" / "metrics.json").read_text())
        assert facts["set"] == ["data.flip=false"]
    code, out, _ = imtrans("sweep", file, "--device", "cpu")
    assert (code, "evaluating" in out) == (0, False)


class Killed(BaseException):
    """Stands for a kill: nothing is saved after it."""


def test_killed_in_the_middle_of_a_run_it_ends_as_if_it_had_not_been(
    imtrans, swept, file, runs, monkeypatch, capsys
):
    whole = {name: traces(runs / name) for name in SEEDS[:2]}
    shutil.rmtree(runs)
    write_sweep(file.parent, seeds=[0])
    write, left = Loop._write_what_is_due, [10]  # the second run, after its checkpoint of step 3

    def killed(loop):
        write(loop)
        left[0] -= 1
        if not left[0]:
            loop.background.wait()
            raise Killed

    monkeypatch.setattr(Loop, "_write_what_is_due", killed)
    with pytest.raises(Killed):
        imtrans("sweep", file, "--device", "cpu")
    capsys.readouterr()
    code, out, _ = imtrans("sweep", file, "--device", "cpu")
    assert code == 0
    assert names(out) == ["paper-seed-0 is finished", "hinge-seed-0"]
    assert "continuing after" in out
    assert "step_00000003" in out
    assert [one for name in whole for one in differences(runs / name, whole[name])] == []


def test_ctrl_c_saves_and_ends_the_sweep(imtrans, file, runs, monkeypatch):
    write = Loop._write_what_is_due

    def interrupted(loop):
        write(loop)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_write_what_is_due", interrupted)
    code, out, _ = imtrans("sweep", file, "--device", "cpu")
    assert code == 130
    assert names(out) == ["paper-seed-0"]
    assert out.endswith("step_00000001\nthe same command continues\n")
    assert not (runs / ".lock").exists()


def test_a_run_that_fails_is_named_and_stops_no_other(imtrans, file, runs):
    text = '[variants.wild]\n"train.learning_rate" = 1e12\n"train.log_every" = 1\n'
    write_sweep(file.parent, more=text, seeds=[0])
    code, out, err = imtrans("sweep", file, "--device", "cpu", "--html", "page.html")
    assert code == 1
    assert len(names(out)) == 3
    failed = [line for line in err.splitlines() if "failed and is left out: the loss" in line]
    assert [line.split()[0] for line in failed] == ["wild-seed-0"]
    assert "| hinge | 1 | 6 |" in (runs / "table.md").read_text()
    assert "wild-seed-0 failed" in (runs / "table.md").read_text()
    assert (file.parent / "page.html").is_file()


def test_where_all_runs_fail_all_are_named(imtrans, file, monkeypatch):
    def broken(task, *given, **options):
        raise KeyError("a plugin's mistake")

    monkeypatch.setattr("imtrans.sweeping.running.fit", broken)
    code, out, err = imtrans("sweep", file, "--device", "cpu")
    assert code == 1
    assert "Traceback" in out
    assert [line.split(" failed and is left out: ")[0] for line in err.splitlines()] == SEEDS
    assert err.count('KeyError: "a plugin\'s mistake"') == 4


def test_a_changed_variant_with_runs_is_refused(imtrans, swept, file, runs):
    before = traces(runs)
    file.write_text(file.read_text().replace('"hinge"', '"lsgan"'))
    code, _, err = imtrans("sweep", file, "--device", "cpu")
    assert code == 2
    assert "line 14  variants.hinge: " in err
    assert "adversarial was 'hinge' and is 'lsgan'" in err
    assert "take the change back, give the variant another name" in err
    assert traces(runs) == before


def test_more_epochs_are_trained_on_top(imtrans, swept, file):
    text = write_sweep(file.parent, seeds=[0]).read_text()
    file.write_text(text.replace('epochs" = 1', 'epochs" = 2'))
    code, out, _ = imtrans("sweep", file, "--device", "cpu")
    assert code == 0
    assert names(out) == SEEDS[:2]
    assert out.count("continuing after") == 2
    assert out.count("evaluating ") == 2  # what was measured is of other weights


def test_another_sweep_in_the_folder_and_torchrun_are_refused(imtrans, file, runs, monkeypatch):
    from imtrans.sweeping.kept import alone_in_sweep

    with alone_in_sweep(runs):
        code, _, err = imtrans("sweep", file)
    assert code == 2
    assert "another process runs a sweep there" in err
    assert not runs.exists()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert imtrans("sweep", file)[2] == (
        "error: a sweep trains on one device; start it without torchrun\n"
    )


@pytest.mark.thorough
def test_a_run_that_is_trained_elsewhere_is_left_to_that(imtrans, swept, file, runs):
    write_sweep(file.parent, more='[variants.lsgan]\n"adversarial.name" = "lsgan"\n')
    with alone_in(runs / "lsgan-seed-0"):
        code, _, err = imtrans("sweep", file, "--device", "cpu")
    assert code == 1
    assert err.startswith("lsgan-seed-0 failed and is left out: ")


# --- as long as the first variant ---


@pytest.fixture
def measured(monkeypatch):
    """How many times as long a step of each variant takes; the variants that were measured."""
    factors, asked = {"hinge": 0.5, "lsgan": 1.6}, []

    def step_time(recipe, first, steps, device):
        name = recipe.adversarial.name
        asked.append(name)
        return StepTime(factors[name] / 100, 0.01, factors[name], 0.4, 1.8)

    monkeypatch.setattr(planning, "step_time", step_time)
    return asked


def test_with_equal_time_a_faster_variant_trains_for_more_epochs(imtrans, file, runs, measured):
    write_sweep(file.parent, equal="time", seeds=[0])
    code, out, _ = imtrans("sweep", file, "--device", "cpu")
    assert code == 0
    assert measured == ["hinge"]
    text = (runs / "table.md").read_text()
    assert "| paper | 1 | 6 |" in text
    assert "| hinge | 1 | 12 |" in text
    assert imtrans("sweep", file, "--device", "cpu")[0] == 0
    assert measured == ["hinge"]  # kept in sweep.json


def test_what_was_measured_is_kept_and_what_is_added_is_measured_beside_the_first(
    imtrans, file, runs, measured
):
    write_sweep(file.parent, equal="time", more='[variants.lsgan]\nadversarial.name = "lsgan"\n')
    code, out, _ = imtrans("sweep", file, "--device", "cpu", "--dry-run")
    assert code == 0
    assert measured == ["hinge", "lsgan"]
    assert "note: 'lsgan' trains 1.60 times as long as 'paper'" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("paper ", "hinge "))]
    assert [row[3:6] for row in rows] == [["1", "6", "10"], ["2", "12", "5"]]
    assert out.endswith("dry run: nothing was written\n")
    assert not runs.exists()


def test_before_the_first_training_another_device_is_measured_again(
    file, runs, measured, monkeypatch
):
    write_sweep(file.parent, equal="time", seeds=[0])
    for name in ("one device", "one device", "another"):
        monkeypatch.setattr(planning, "hardware", lambda device, name=name: name)
        Planner(read_sweep(file), runs, catalog(), "cpu", lambda line: None).kept_plan()
    assert measured == ["hinge", "hinge"]


def test_another_first_variant_is_refused_once_runs_are_equal_to_it(imtrans, swept, file):
    text = write_sweep(file.parent, equal="steps").read_text()
    file.write_text(text.replace("[variants.paper]", "") + "\n[variants.paper]\n")
    code, _, err = imtrans("sweep", file, "--device", "cpu")
    assert code == 2
    assert "'paper' was the first variant when these runs began" in err


def test_a_first_variant_that_changed_is_refused_where_others_were_measured_beside_it(
    imtrans, swept, file, runs, measured
):
    write_sweep(file.parent, equal="time", more='[variants.lsgan]\nadversarial.name = "lsgan"\n')
    Planner(read_sweep(file), runs, catalog(), "cpu", lambda line: None).kept_plan()
    shutil.rmtree(runs / "paper-seed-0")
    shutil.rmtree(runs / "paper-seed-1")
    text = file.read_text()
    file.write_text(text.replace("[variants.paper]", "[variants.paper]\ngenerator.width = 3"))
    code, _, err = imtrans("sweep", file, "--device", "cpu")
    assert code == 2
    assert "'paper' has changed since hinge was measured beside it" in err


def test_equal_steps_count_those_of_an_epoch(file):
    more = '[variants.batch]\n"train.batch_size" = 2\n"train.decay_from" = 1\n'
    write_sweep(file.parent, equal="steps", more=more)
    planner = Planner(read_sweep(file), file.parent / "runs", catalog(), "cpu", lambda line: None)
    final = planner.plan().tasks["batch"].recipe.train
    assert (final.epochs, final.decay_from) == (2, 2)
