"""Training as a person watches it, in terminals of all kinds."""

import io
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from imtrans.api.listener import Measured, Moment, Reading
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.journal import Journal, Past
from imtrans.task import Task
from imtrans.training.display import display
from imtrans.training.display.lines import PlainLines
from imtrans.training.display.live import LiveView
from imtrans.training.display.sparkline import BLOCKS, LENGTH, Curve, number, sparkline
from imtrans.training.fit import fit

STEPS = 21_900
HIGHER = {"l1": False, "psnr": True}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def tiny_engine():
    """Any will do here."""
    return "plain"


@pytest.fixture(autouse=True)
def a_terminal_that_can_move(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)


def terminal(width=100, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
    return Console(file=file, force_terminal=True, width=width, height=40, **options)


def written(console):
    console.file.flush()
    return console.file.buffer.getvalue().decode(console.file.encoding)


def moment(step):
    return Moment(step, STEPS, 1 + step // 400, 55)


def reading(**losses):
    return Reading(losses, 2e-4, images_per_second=7.6, steps_per_second=3.8, waiting=0.02)


def measured(l1, psnr):
    return {"l1": Measured(l1, False), "psnr": Measured(psnr, True)}


def begun(console):
    """A display whose session has begun."""
    shown = display(console)
    shown.begun(Moment(0, STEPS, 1, 55))
    return shown


def train(shown, steps=12):
    """What a session says to its listeners; l1 is best at step 400."""
    for index in range(1, steps + 1):
        at = moment(50 * index)
        shown.stepped(at)
        d = 0.693 + 0.01 * math.sin(index)
        shown.logged(at, reading(d=d, g=0.7 + index / 10, l1=0.4 / index))
        if index % 4 == 0:
            l1 = 0.5 / index if index < 12 else 0.3
            shown.validated(at, measured(l1, 10.0 + index), min(at.step, 400))


def drawn(console, shown):
    return [line.plain for line in shown._lines(console.width, console.options.ascii_only)]


@pytest.fixture
def view():
    shown = begun(terminal())
    assert isinstance(shown, LiveView)
    yield shown
    shown.closed()


def test_the_view_shows_progress_speed_curves_and_validation(view):
    train(view)
    text = "\n".join(drawn(view._console, view))
    for part in (
        *("epoch 2/55", "step 600/21900", "3%", "7.6 images/s", "data wait 2%", "ETA 1:33:25"),
        *("l1 0.033", "first 0.400  min 0.033", "g 1.900", "first 0.800  min 0.800"),
        *("validation at step 600  best at step 400", "psnr 22.000", "best 22.000 ★"),
        "l1 0.300   ▃▁█  best 0.062\n",
    ):
        assert part in text, part
    assert re.search(r"memory \d+(\.\d)? [MG]B", text)
    assert "█▄▃▂▂" in text  # l1, which falls as 1 / x


def test_a_continued_run_shows_what_it_measured_before(view):
    """The journals of all sessions: a curve that began again at each would look like noise."""
    losses = [(50 * n, {"d": 0.5, "l1": 0.4 / n}) for n in range(1, 9)]
    metrics = [(0, {"l1": 0.01, "psnr": 30.0}), (200, {"l1": 0.08, "psnr": 21.0})]
    view.recall(Past(losses, [*metrics, (400, {"l1": 0.2, "psnr": 20.0})]), HIGHER, 200)
    view.begun(moment(400))
    text = "\n".join(drawn(view._console, view))
    assert "validation at step 400  best at step 200" in text
    assert "l1 0.200   ▁▄█  best 0.080" in text
    assert "psnr 20.000" in text
    assert "best 21.000" in text
    view.logged(moment(450), reading(d=0.6, l1=0.3))
    view.validated(moment(450), measured(0.1, 19.0), 200)
    text = "\n".join(drawn(view._console, view))
    assert "first 0.400  min 0.050" in text
    assert "first 0.500  min 0.500" in text
    assert "best 0.080" in text


def test_untrained_networks_are_never_the_best(view):
    view.validated(moment(0), measured(0.1, 9.0), 0)
    assert "best" not in "\n".join(drawn(view._console, view))
    view.validated(moment(400), measured(0.2, 8.0), 400)
    text = "\n".join(drawn(view._console, view))
    assert "best 0.200 ★" in text
    assert "best 8.000 ★" in text


def test_a_new_best_is_marked(view):
    view.validated(moment(50), measured(0.4, 9.0), 0)
    assert "validation at step 50" in drawn(view._console, view)  # and none is best yet
    view.validated(moment(100), measured(0.2, 9.0), 100)
    assert "validation at step 100  best so far" in drawn(view._console, view)
    view.validated(moment(150), measured(0.3, 9.0), 100)
    assert "validation at step 150  best at step 100" in drawn(view._console, view)


@pytest.mark.parametrize("width", [1, 10, 24, 40, 60, 80, 120, 250])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_it_fits_every_terminal(width, encoding):
    console = terminal(width, encoding)
    shown = begun(console)
    try:
        shown.said("warning: discriminator loss below 0.01")
        train(shown, 60)
        lines = drawn(console, shown)
        if width >= 24:
            assert max(map(len, lines)) <= width
        if width >= 40:
            assert sum("images/s" in line and "data wait" in line for line in lines) == 1
        assert all(len(set(line) & set(BLOCKS)) == 0 or encoding == "utf-8" for line in lines)
    finally:
        shown.closed()
    text = CONTROL.sub("", written(console))  # strict: what the terminal lacks would have raised
    assert max(map(len, re.split(r"[\r\n]", text))) <= width
    assert "images/s" in text or width < 24


def test_a_terminal_that_is_resized_gets_lines_of_its_new_width(view):
    train(view, 60)
    for width in (120, 10, 40, 80):
        view._console.width = width
        lines = drawn(view._console, view)
        # Cut off rather than wrapped: else the view would not be found again to be drawn over.
        assert len(view._console.render_lines(view, pad=False)) == len(lines)
        if width < 24:
            continue
        assert max(map(len, lines)) <= width
        assert len(lines[2]) > min(width, 80) // 2


def test_at_the_end_the_last_state_is_left_and_says_how_long_it_took():
    console = terminal(80)
    shown = begun(console)
    train(shown)
    shown.closed()
    shown.closed()
    last = CONTROL.sub("", written(console)).splitlines()[-7:]
    assert re.search(r"took 0:00:\d\d", "\n".join(last))
    assert "ETA" not in "\n".join(last)
    assert last[-1].startswith("psnr 22.000")


def test_what_is_said_stands_above_and_only_warnings_are_coloured():
    console = terminal(80, color_system="standard")
    shown = begun(console)
    shown.said("epoch 2 starts again [bold]")
    shown.said("warning: l1 has plateaued at 0.1")
    shown.closed()
    text = written(console)
    assert "epoch 2 starts again [bold]" in text
    assert "\x1b[33mwarning: l1 has plateaued at 0.1\x1b[0m" in text
    assert text.count("\x1b[33m") == 1
    assert text.index("plateaued") < text.rindex("epoch 1/55")


def test_before_the_first_reading_the_time_left_comes_from_the_steps(view):
    assert "computing the first step" in drawn(view._console, view)
    view.stepped(moment(10))
    assert any(line.startswith("ETA ") for line in drawn(view._console, view))


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_gets_plain_lines(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    assert isinstance(display(terminal()), PlainLines)


def test_outside_a_terminal_there_are_no_control_codes():
    console = Console(file=io.StringIO(), width=40)
    shown = begun(console)
    shown.validated(Moment(0, STEPS, 1, 55), {"l1": Measured(0.5, False)}, 0)
    train(shown)
    shown.closed()
    text = console.file.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    assert not set(text) & set(BLOCKS)
    assert "step 0: validation  l1 0.5\n" in text
    assert "step 400: validation  l1 0.0625  psnr 18  best so far\n" in text
    assert "step 600: validation  l1 0.3  psnr 22\n" in text


def test_a_reader_that_is_gone_does_not_end_the_view():
    class Closed(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    for gone_after in ("said", "begun"):
        console = Console(file=io.StringIO(), force_terminal=True, width=80)
        shown = LiveView(console)
        shown.said("a line")
        if gone_after == "begun":
            shown.begun(moment(0))
        console.file = Closed()
        if gone_after == "said":
            shown.begun(moment(0))
        train(shown)
        shown.said("a line")
        shown.closed()


def test_a_training_in_a_terminal_ends_with_its_last_state(tiny, tmp_path):
    console = terminal(100)
    fit(Task(tiny, catalog()), tmp_path / "run", console=console)
    text = CONTROL.sub("", written(console))
    assert "6 pairs, 3 for validation" in text
    last = "\n".join(text.splitlines()[-10:])
    for part in ("epoch 2/2  step 12/12  100%", "validation at step 12  best so far", "took 0:00:"):
        assert part in last, part


@pytest.mark.thorough
def test_after_a_restart_the_view_is_that_of_the_whole_run(tiny_file, tmp_path):
    """Trained in two sessions, the last state is that of one session but for times."""
    keys = ("train.log_every=1", "validate.every=2", "train.deterministic=true")
    last = []
    for sessions in ([3], [1, 3]):
        run = tmp_path / f"run{len(sessions)}"
        for epochs in sessions:
            console = terminal(100)
            recipe = recipes.read(tiny_file, [*keys, f"train.epochs={epochs}"], catalog())
            fit(Task(recipe, catalog()), run, console=console)
        lines = CONTROL.sub("", written(console)).splitlines()[-8:]
        last.append([line.rstrip() for line in lines if "images/s" not in line])
    assert any("first " in line for line in last[0])
    assert last[0] == last[1]


def test_journals_that_cannot_be_read_are_no_past(tmp_path):
    journal = Journal(tmp_path)
    assert journal.past(10) == Past()
    good = {"step": 2, "epoch": 1, "l1": 0.5, "learning_rate": 1e-4, "waiting": 0.1, "new": "x"}
    rows = ["", "[]", "7", '{"step": "x"}', json.dumps(good), '{"step": 11, "l1": 1}', '{"ste']
    (tmp_path / "metrics.jsonl").write_text("\n".join(rows))
    (tmp_path / "validation.jsonl").write_text('{"step": 0, "epoch": 1, "psnr": 3}\n')
    assert journal.past(10) == Past([(2, {"l1": 0.5})], [(0, {"psnr": 3.0})])
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").mkdir()
    assert journal.past(10) == Past()


@given(st.lists(st.floats(), max_size=60), st.integers(-3, 60), st.booleans())
def test_a_sparkline_takes_any_values(values, width, ascii_only):
    line = sparkline(values, width, ascii_only=ascii_only)
    assert len(line) == min(len(values), max(width, 0))
    assert line.isascii() or not ascii_only


def test_a_sparkline_rises_and_falls_with_its_values():
    assert sparkline(range(8), 40) == BLOCKS
    assert sparkline([*range(100), 7, 6, 5, 4, 3, 2, 1, 0], 8) == BLOCKS[::-1]
    assert sparkline([2.0, 2.0], 8) == "▁▁"
    assert sparkline([0, math.nan, math.inf, -math.inf, 1], 8) == "▁ █▁█"
    assert sparkline([-1.7e308, 1.7e308], 8) == "▁█"


def test_a_curve_remembers_its_first_and_its_least():
    curve = Curve()
    for value in (5.0, 1.0, *[3.0] * LENGTH):
        curve.append(value)
    assert (curve.first, curve.least, curve.greatest, curve.last) == (5.0, 1.0, 5.0, 3.0)
    assert list(curve.values) == [3.0] * LENGTH


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.6931, "0.693"), (0.00042, "0.00042"), (12345.6, "1.23e+04")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text
