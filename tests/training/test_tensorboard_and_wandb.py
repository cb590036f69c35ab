"""The loggers of TensorBoard and Weights & Biases, read back with what reads them."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import wandb_files
from plugged import with_plugin
from tiny_recipe import write_tiny

from imtrans.api.listener import Listener, Moment, Reading
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit

LOGGERS = ("tensorboard", "wandb")
BOTH = ("logger=['tensorboard', 'wandb']", "validate.every=4")
READING = Reading({"d": 0.7, "g": 0.8, "l1": 0.5}, 2e-4, 10.0, 5.0, 0.1)


def train(tiny_file, run, *overrides, catalog=catalog, **options):
    installed = catalog()
    return fit(Task(recipes.read(tiny_file, overrides, installed), installed), run, **options)


def built(name, run, **options):
    return catalog().loggers[name].build(run, {"title": "tiny"}, **options)


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def kill_the_service():
    """The process that serves all of wandb's runs here."""
    service = sys.modules["wandb"].setup()._connection._proc
    service._process.kill()
    service.join()


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """A run that trained, was killed two steps after its checkpoint, and was trained to its end."""
    folder = tmp_path_factory.mktemp("continued")
    file, run = write_tiny(folder), folder / "run"
    train(file, run, *BOTH, "train.epochs=1")
    for name in LOGGERS:
        killed = built(name, run)
        killed.begun(Moment(6, 12, 2, 2))
        killed.logged(Moment(8, 12, 2, 2), READING)
        time.sleep(0.3)
        killed.stepped(Moment(9, 12, 2, 2))
    kill_the_service()
    with suppress(ConnectionError):
        sys.modules["wandb"].teardown()
    newest = max(run.glob("tensorboard/*"), key=lambda path: path.stat().st_mtime)
    newest.write_bytes(newest.read_bytes() + b"\x20\x00\x00\x00\x00")  # a record that is cut off
    train(file, run, *BOTH)
    return run


@pytest.fixture(scope="module")
def events(continued):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(continued / "tensorboard"), {"scalars": 0, "images": 0})
    return found.Reload()


@pytest.mark.thorough
def test_tensorboard_has_what_the_journal_has_each_once(continued, events):
    for file, folder in (("metrics", "loss/"), ("validation", "validation/")):
        expected = records(continued / f"{file}.jsonl")
        for name in expected[0].keys() - {"step", "epoch"}:
            plain = name in ("learning_rate", "images_per_second", "waiting")
            points = events.Scalars(name if plain else folder + name)
            assert [point.step for point in points] == [record["step"] for record in expected]
            if name not in ("images_per_second", "waiting"):
                values = [record[name] for record in expected]
                assert [point.value for point in points] == pytest.approx(values, abs=1e-6)


def test_tensorboard_has_the_samples_and_the_recipe_once(continued, events):
    steps = [int(path.stem.removeprefix("step_")) for path in continued.glob("samples/*.png")]
    assert [point.step for point in events.Images("samples")] == sorted(steps)
    (text,) = events.Tensors("recipe/text_summary")
    fenced = text.tensor_proto.string_val[0].decode()
    recipe = json.loads(fenced.removeprefix("```json\n").removesuffix("\n```"))
    assert recipe["train"]["precision"] == "fp32"


def test_wandb_has_what_the_journal_has_each_once(continued):
    rows = [row for session in wandb_files.sessions(continued) for row in session.rows]
    for file, folder in (("metrics", "loss/"), ("validation", "validation/")):
        expected = records(continued / f"{file}.jsonl")
        for name in expected[0].keys() - {"step", "epoch", "images_per_second", "waiting"}:
            key = name if name == "learning_rate" else folder + name
            points = {row["step"]: row[key] for row in rows if key in row}
            assert wandb_files.steps(continued, key) == [one["step"] for one in expected]
            of_the_killed = points.pop(8) if file == "metrics" else None
            assert of_the_killed in (None, READING.losses.get(name), READING.learning_rate)
            values = {one["step"]: one[name] for one in expected if one["step"] in points}
            assert points == pytest.approx(values, abs=1e-6)


def test_wandb_has_the_samples(continued):
    steps = [int(path.stem.removeprefix("step_")) for path in continued.glob("samples/*.png")]
    assert wandb_files.steps(continued, "samples/path") == sorted(steps)
    assert len(list(continued.glob("wandb/offline-run-*/files/media/images/*.png"))) == len(steps)


def test_wandb_continues_the_same_run_which_has_the_recipe(continued):
    first, killed, last = wandb_files.sessions(continued)
    assert first.id == killed.id == last.id
    assert (last.project, last.name, last.exit_code) == ("imtrans", "run", 0)
    assert last.axes == {"*": "step"}
    assert last.config["train"]["epochs"] == 2
    assert "logger" not in last.config
    assert "git" not in last.text
    assert not list(continued.glob("wandb/offline-run-*/files/**/*.patch"))
    assert not list(continued.glob("wandb/offline-run-*/files/**/*.py"))


def test_wandb_takes_its_options_and_shows_what_failed_as_failed(tmp_path):
    logger = built("wandb", tmp_path, project="towns", tags=["small"], mode="offline")
    logger.begun(Moment(0, 12, 1, 2))
    with suppress(OSError):
        try:
            raise OSError("the disk is full")
        finally:
            logger.closed()
    sys.modules["wandb"].teardown()  # as at the end of Python: all is written
    (session,) = wandb_files.sessions(tmp_path)
    assert (session.project, session.tags, session.exit_code) == ("towns", ["small"], 1)


def test_a_training_that_begins_anew_is_a_new_run_of_wandb(tmp_path):
    for step in (0, 0, 4):
        logger = built("wandb", tmp_path)
        logger.begun(Moment(step, 12, 1, 2))
        logger.logged(Moment(step + 2, 12, 1, 2), READING)
        logger.closed()
    first, second, third = (session.id for session in wandb_files.sessions(tmp_path))
    assert first != second == third


class Spoiler(Listener):
    """Takes away what the other loggers write to."""

    def __init__(self, run_dir, recipe):
        self.folder = run_dir / "tensorboard"

    def stepped(self, at):
        if at.step == 5:
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()
            kill_the_service()


def test_loggers_whose_folder_or_service_is_gone_are_switched_off(tiny_file, tmp_path, capfd):
    everything = "logger=['tensorboard', 'wandb', 'spoiler']"
    installed = with_plugin(loggers={"spoiler": Spoiler})
    outcome = train(tiny_file, tmp_path / "run", everything, catalog=lambda: installed)
    assert outcome.step == 12
    sys.modules["wandb"].teardown()  # as at the end of Python
    out, err = capfd.readouterr()
    lines = [line for line in out.splitlines() if "warning" in line]
    assert [line.split(" (")[0] for line in lines] == [
        f"warning: the logger '{name}' failed and is switched off" for name in LOGGERS
    ]
    assert err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_tensorboard_reports_a_full_disk_at_once(tmp_path):
    logger = built("tensorboard", tmp_path)
    logger.begun(Moment(0, 12, 1, 2))
    logger.path = Path("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        logger.logged(Moment(2, 12, 1, 2), READING)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_missing_extra_is_an_error_before_anything_is_lost(
    name, tiny_file, tmp_path, imtrans, monkeypatch, finished_run
):
    for module in [one for one in sys.modules if one.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    run = finished_run(tmp_path / "run")
    chosen = ("--set", f"logger=['{name}']")
    for command in (("check",), ("train", "--dry-run"), ("train", "--fresh", "--run-dir", run)):
        code, out, err = imtrans(*command, tiny_file, *chosen)
        assert code == 2
        assert f'pip install "imtrans[{name}]"' in out + err
    assert sorted(path.name for path in tmp_path.glob("run*")) == ["run"]


@pytest.mark.parametrize("command", ["check", "train"])
def test_wandb_never_asks_for_a_key(command, tiny_file, tmp_path, imtrans, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    code, out, err = imtrans(command, tiny_file, "--set", "logger=['wandb']")
    assert code == 2
    assert 'there is no key. run `wandb login`, or set mode = "offline"' in out + err
    assert not (tmp_path / "runs" / "tiny").exists()
