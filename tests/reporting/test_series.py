"""Series on a page: peaks survive thinning, means are means, ticks are round."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imtrans.reporting.charts import MANY, ROWS, chart
from imtrans.reporting.series import (
    POINTS,
    Logged,
    read_log,
    shown,
    smoothed,
    thinned,
    ticks,
    window,
)


def logged(values, steps=None):
    steps = range(1, len(values) + 1) if steps is None else steps
    return Logged(np.array(steps, float), np.array(values, float))


def write(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_a_log_is_read_by_name_and_lines_that_are_none_are_counted(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, [{"step": 2, "epoch": 1, "d": 0.5}, {"step": 4, "epoch": 1, "d": 0.4, "l1": 1}])
    path.write_text(path.read_text() + '{"step": 6, "d": 0.\n[]\n{"step": "x"}\n')
    log = read_log(path)
    assert list(log.series) == ["d", "l1"]
    assert log.series["d"].steps.tolist() == [2, 4]
    assert log.series["d"].values.tolist() == [0.5, 0.4]
    assert log.unreadable == 3


def test_a_step_that_is_there_twice_counts_as_it_was_written_last(tmp_path):
    write(tmp_path / "log", [{"step": 2, "d": 1}, {"step": 4, "d": 2}, {"step": 2, "d": 3}])
    assert read_log(tmp_path / "log").series["d"].values.tolist() == [3, 2]


def test_what_no_number_is_leaves_a_gap_or_is_left_out(tmp_path):
    texts = ["NaN", "Infinity", "1e300", "9" * 400, '"x"', "true", "null", "[1]"]
    rows = [f'{{"step": {i}, "d": {text}}}\n' for i, text in enumerate(texts)]
    (tmp_path / "log").write_text("".join(rows) + '{"step": 99, "d": 1}\n{"step": 1e400}\n')
    series = read_log(tmp_path / "log").series["d"]
    assert series.steps.tolist() == [0, 1, 2, 3, 99]
    assert np.isnan(series.values[:4]).all()


def test_no_log_is_an_empty_one(tmp_path):
    assert read_log(tmp_path / "none") == read_log(tmp_path)
    assert read_log(tmp_path / "none").series == {}


@given(st.integers(1, 5000), st.integers(0, 4999))
def test_thinning_keeps_few_points_the_ends_and_every_peak(count, at):
    values = np.zeros(count)
    values[at % count] = 7
    thin = thinned(logged(values))
    assert len(thin.values) <= POINTS
    assert thin.values.max() == 7
    assert (thin.steps[0], thin.steps[-1]) == (1, count)
    assert (np.diff(thin.steps) > 0).all()


def test_the_mean_is_over_the_values_around_and_leaves_out_what_is_none():
    values = np.array([1, 2, np.nan, 4, 5, 6, 7])
    assert smoothed(values, 3).tolist() == [1.5, 1.5, 3, 4.5, 5, 6, 6.5]
    assert np.isnan(smoothed(np.array([np.nan] * 5), 3)).all()
    assert smoothed(values[3:], 1).tolist() == values[3:].tolist()
    assert window(10) == 1


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_and_within(low, span):
    high = low + span
    if high - low < 1e-9 * max(abs(low), abs(high)):
        return
    found = ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - span * 1e-6 <= tick <= high + span * 1e-6 for tick in found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.35691, "0.3569"),
        (0.0002, "0.0002"),
        (0.00000512, "5.12e-6"),
        (1234.5, "1,234"),
        (2.5e12, "2.5e12"),
        (None, "-"),
        (float("nan"), "not a number"),
        (-12.345, "-12.35"),
    ],
)
def test_numbers_are_shown_with_four_digits(value, text):
    assert shown(value) == text


def test_a_chart_of_one_step_is_a_dot():
    one = chart("l1", {"l1": logged([0.5], [50])})
    assert one.traces[0].mark == one.traces[0].line == "M1000.0 500.0h0"
    assert (one.traces[0].last, one.traces[0].last_step) == ("0.5", 50)


def test_a_chart_of_no_number_is_none():
    assert chart("d", {"d": logged([np.nan, np.inf])}) is None
    assert chart("d", {}) is None


def test_a_spike_does_not_flatten_a_chart_and_is_named():
    values = np.sin(np.arange(MANY * 2)) + 2
    values[77] = 1e6
    one = chart("d", {"d": logged(values)})
    assert one.data["top"] < 1e6 / 50
    assert "1 value is outside the chart." in chart("d", {"d": logged(values)}).note


def test_a_gap_is_left_where_a_value_is_none():
    one = chart("d", {"d": logged([1, 2, np.nan, 4, 5])})
    assert one.traces[0].line.count("M") == 2
    assert "1 value is no number." in one.note
    assert one.data["traces"][0]["values"][2] is None


def test_the_best_is_marked_where_it_is_known_which_way_is_better():
    values = logged([3, 1, 2], [10, 20, 30])
    lower, higher = (chart("m", {"m": values}, higher=way).traces[0] for way in (False, True))
    assert (lower.best, lower.best_step) == ("1", 20)
    assert (higher.best, higher.best_step) == ("3", 10)
    assert chart("m", {"m": values}).traces[0].best == ""


def test_several_lines_share_axes_and_a_table_of_few_rows():
    one = chart("l1", {"a": logged(range(1000)), "b": logged([5, 6], [1, 2000])})
    assert one.header == ("step", "a", "b")
    assert len(one.rows) <= ROWS
    assert one.rows[-1] == ("2,000", "-", "6")
    assert one.data["right"] == 2000
    assert "a: 999 at step 1,000; b: 6 at step 2,000" in one.description
