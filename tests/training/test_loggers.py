"""Loggers of plugins: they hear everything, and none of them can end a training."""

import csv
import json
import multiprocessing
from types import SimpleNamespace

import pytest
from plugged import with_plugin

from imtrans.api.errors import ImtransError
from imtrans.api.listener import Listener
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit

EVENTS = [name for name in vars(Listener) if not name.startswith("_")]


@pytest.fixture
def tiny_engine():
    """Any will do here."""
    return "plain"


class Hearing:
    """Notes all that it hears; no Listener, and has its methods all the same."""

    def __init__(self, run_dir, recipe, *, fails_in: str = ""):
        self.run_dir, self.recipe, self.fails_in = run_dir, recipe, fails_in
        self.heard = []

    def __getattr__(self, event):
        if event not in EVENTS:
            raise AttributeError(event)

        def hear(*facts):
            self.heard.append((event, facts))
            if event == "saved":
                assert (facts[1] / "generator.safetensors").is_file()
            if self.fails_in in (event, "everything"):
                raise ConnectionError("no\nnetwork")

        return hear

    def count(self, event):
        return sum(event == name for name, _ in self.heard)


def trained(tiny_file, run, *loggers):
    """A training with these loggers ({"fails_in": ...}); returns them and where it ended."""
    made = []

    def build(run_dir, recipe, *, fails_in: str = ""):
        made.append(Hearing(run_dir, recipe, fails_in=fails_in))
        return made[-1]

    names = [f"logger_{number}" for number in range(len(loggers))]
    installed = with_plugin(loggers=dict.fromkeys(names, build))
    tables = [{"name": name, **options} for name, options in zip(names, loggers, strict=True)]
    text = tiny_file.read_text()
    for table in tables:
        keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
        text += f"\n[[logger]]\n{keys}\n"
    recipe = recipes.parse(text, "tiny", (), installed)
    outcome = fit(Task(recipe, installed), run)
    return made, outcome


def test_a_logger_hears_everything(tiny_file, tmp_path):
    (logger,), outcome = trained(tiny_file, tmp_path / "run", {})
    assert outcome.step == 12
    assert logger.run_dir == tmp_path / "run"
    assert logger.recipe["train"]["epochs"] == 2
    assert logger.recipe["logger"] == [{"name": "logger_0"}]
    counts = {event: logger.count(event) for event in EVENTS if event != "said"}
    assert counts == {
        **{"begun": 1, "stepped": 12, "logged": 6, "validated": 3, "sampled": 5},
        **{"saved": 4, "closed": 1},
    }
    assert logger.heard[0][0] == "begun"
    assert logger.heard[-1][0] == "closed"
    moments = [facts[0] for event, facts in logger.heard if event == "stepped"]
    assert [(at.step, at.epoch) for at in moments] == [(n, 1 + n // 7) for n in range(1, 13)]
    assert {(at.steps, at.epochs) for at in moments} == {(12, 2)}
    (at, reading) = next(facts for event, facts in logger.heard if event == "logged")
    assert (at.step, list(reading.losses)) == (2, ["d", "g", "l1"])
    assert reading.learning_rate == 2e-4
    at, metrics, best_step = [f for event, f in logger.heard if event == "validated"][-1]
    assert (at.step, best_step, metrics["psnr"].higher_is_better) == (12, 12, True)


def test_a_logger_hears_what_a_person_is_told(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "imtrans.components.methods.pix2pix.Pix2Pix.advice", lambda self, losses: ["warning: so"]
    )
    (logger,), _ = trained(tiny_file, tmp_path / "run", {})
    assert [facts for event, facts in logger.heard if event == "said"] == [("warning: so",)] * 6


def test_a_continued_session_says_where_it_begins(tiny_file, tmp_path):
    trained(tiny_file, tmp_path / "run", {})
    (logger,), _ = trained(tiny_file, tmp_path / "run", {})
    begun = logger.heard[0][1][0]
    assert (begun.step, begun.steps) == (12, 12)
    assert [event for event, _ in logger.heard] == ["begun", "closed"]


FAILING = {"begun", "stepped", "closed"}  # the others are caught where "stepped" is


@pytest.mark.parametrize(
    "event",
    [
        event if event in FAILING else pytest.param(event, marks=pytest.mark.soak)
        for event in EVENTS
        if event != "said"
    ],
)
def test_a_logger_that_raises_is_switched_off_and_training_goes_on(
    tiny_file, tmp_path, capsys, event
):
    (failing, other), outcome = trained(tiny_file, tmp_path / "run", {"fails_in": event}, {})
    assert outcome.step == 12
    assert failing.heard[-1][0] == event
    assert failing.count(event) == 1
    lines = [row for row in capsys.readouterr().out.splitlines() if "switched off" in row]
    expected = (
        "warning: the logger 'logger_0' failed and is switched off (ConnectionError: no network)"
    )
    assert lines == [expected]
    assert other.count("stepped") == 12
    assert other.count("closed") == 1
    assert ("said", (expected,)) in other.heard


def test_loggers_that_all_fail_at_once_end_no_training(tiny_file, tmp_path, capsys):
    always = {"fails_in": "everything"}
    loggers, outcome = trained(tiny_file, tmp_path / "run", always, always, always)
    assert outcome.step == 12
    assert all(logger.heard[0][0] in ("begun", "said") for logger in loggers)
    assert [len(logger.heard) for logger in loggers] == [1, 1, 1]
    assert capsys.readouterr().out.count("switched off") == 3


def test_a_logger_that_keeps_its_error_keeps_no_process_that_reads_data(tiny_file, tmp_path):
    """Python waited for them forever when it was to end: an error holds all that ran with it."""
    kept = []

    def build(run_dir, recipe):
        def begun(at):
            try:
                raise ConnectionError("no network")
            except ConnectionError as error:
                kept.append(error)
                raise

        return SimpleNamespace(begun=begun)

    installed = with_plugin(loggers={"keeping": build})
    overrides = ["logger=['keeping']", "train.epochs=1", "data.workers=1"]
    recipe = recipes.read(tiny_file, overrides, installed)
    assert fit(Task(recipe, installed), tmp_path / "run").step == 6
    assert kept[0].__traceback__
    assert multiprocessing.active_children() == []


def test_a_logger_may_have_a_part_of_the_methods(tiny_file, tmp_path):
    installed = with_plugin(loggers={"mute": lambda run_dir, recipe: object()})
    recipe = recipes.read(tiny_file, ["logger=['mute']", "train.epochs=1"], installed)
    assert fit(Task(recipe, installed), tmp_path / "run").step == 6


def test_a_logger_that_refuses_its_options_is_an_error_before_training(tiny_file, tmp_path):
    def build(run_dir, recipe):
        raise ValueError("needs an address")

    installed = with_plugin(loggers={"far": build})
    recipe = recipes.read(tiny_file, ["logger=['far']"], installed)
    with pytest.raises(ImtransError, match="logger 'far': needs an address"):
        fit(Task(recipe, installed), tmp_path / "run")


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def csv_recipe(tiny_file, *overrides):
    return recipes.read(tiny_file, ["logger=['csv']", "validate.every=4", *overrides], catalog())


def assert_tables_are_the_records(run):
    for name, file in (("losses", "metrics"), ("metrics", "validation")):
        found, expected = table(run / f"{name}.csv"), records(run / f"{file}.jsonl")
        assert len(found) == len(expected) > 2
        for row, record in zip(found, expected, strict=True):
            assert {key for key, value in row.items() if value} == set(record)
            for key in record.keys() - {"images_per_second", "waiting"}:
                assert float(row[key]) == pytest.approx(record[key], rel=1e-4, abs=1e-6)


def test_the_csv_logger_writes_what_the_journal_does(tiny_file, tmp_path):
    fit(Task(csv_recipe(tiny_file), catalog()), tmp_path / "run")
    assert_tables_are_the_records(tmp_path / "run")


def test_the_csv_logger_drops_what_is_taken_again_or_cut_off(tiny_file, tmp_path):
    run = tmp_path / "run"
    fit(Task(csv_recipe(tiny_file, "train.epochs=1"), catalog()), run)
    for name in ("losses", "metrics"):
        with (run / f"{name}.csv").open("a") as file:
            columns = len(table(run / f"{name}.csv")[0])
            file.write(",".join(["9"] * columns) + "\n")  # of a step that was not saved
            file.write("1")  # cut off: the process was killed
    fit(Task(csv_recipe(tiny_file), catalog()), run)
    assert_tables_are_the_records(run)


def test_the_csv_logger_makes_room_for_columns_that_come_later(tiny_file, tmp_path):
    """The metrics of a run may change between its sessions."""
    run = tmp_path / "run"
    first = csv_recipe(tiny_file, "train.epochs=1", "validate.metrics=['l1', 'psnr']")
    fit(Task(first, catalog()), run)
    then = csv_recipe(tiny_file, "validate.metrics=['l1', 'ssim']")
    fit(Task(then, catalog()), run)
    assert_tables_are_the_records(run)
    assert list(table(run / "metrics.csv")[0]) == ["step", "epoch", "l1", "psnr", "ssim"]
