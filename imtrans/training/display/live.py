"""The view of a training in a terminal: progress, speed, and a small curve of each loss.

    epoch 3/200  step 12340/219000  6%  ━━╸───────────────
    7.6 images/s  data wait 2%  memory 3.2 GB  ETA 7:32:11
     d 0.412   ▃▄▅▄▃▂▁▂  first 0.693  min 0.301
    l1 0.183   █▆▅▄▃▂▂▁  first 0.402  min 0.181
    validation at step 12000, best at step 10000
    l1 0.143   █▅▃▂▁     best 0.139

Lines for a person, warnings too, are printed above it and stay. The last state remains when it
ends. Curves, first, least and best values are those of the whole run, also after it was continued.
Best is a metric after training began: the values of step 0 are those of untrained networks.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from time import monotonic

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from imtrans.api.listener import Listener, Measured, Moment, Reading
from imtrans.host.footprint import footprint
from imtrans.host.words import duration, readable, size
from imtrans.runs.journal import Past
from imtrans.training.display.progress import speed
from imtrans.training.display.sparkline import LENGTH, Curve, number, sparkline

BAR = 30  # characters
ROOMY = 60  # columns from which first and least values are shown


class LiveView(Listener):
    """Shows a training in a terminal of any width."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._at = Moment(0, 0, 0, 0)
        self._first_step = 0
        self._begun = self._last = monotonic()
        self._reading: Reading | None = None
        self._memory: tuple[str, int] | None = None
        self._losses: dict[str, Curve] = {}
        self._metrics: dict[str, Curve] = {}
        self._higher: dict[str, bool] = {}  # metric -> whether higher is better
        self._validated = self._best_step = 0
        self._ended = False
        self._live = Live(self, console=console, refresh_per_second=4)

    def recall(self, past: Past, higher: Mapping[str, bool], best_step: int) -> None:
        """Show what the run has measured before this session. `higher` says of each metric whether
        higher is better."""
        for _, losses in past.losses:
            self._losses = _with(self._losses, losses)
        for step, metrics in past.metrics:
            self._metrics = _with(self._metrics, metrics, counts=step > 0)
            self._validated = step
        self._higher, self._best_step = dict(higher), best_step

    def begun(self, at: Moment) -> None:
        self._at, self._first_step = at, at.step
        self._begun = self._last = monotonic()
        # A terminal that is gone must not end a training.
        with suppress(OSError):
            self._live.start()

    def said(self, line: str) -> None:
        # Styled by itself: a style of the printing would colour the view below it too.
        text = Text(readable(line), style="yellow" if line.startswith("warning") else "")
        with suppress(OSError):
            self._console.print(text)

    def stepped(self, at: Moment) -> None:
        self._at, self._last = at, monotonic()

    def logged(self, at: Moment, reading: Reading) -> None:
        self._reading, self._memory = reading, footprint()
        # A new dict, because the thread that draws may walk the old one.
        self._losses = _with(self._losses, reading.losses)

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        self._higher = {name: found.higher_is_better for name, found in metrics.items()}
        values = {name: found.value for name, found in metrics.items()}
        self._metrics = _with(self._metrics, values, counts=at.step > 0)
        self._validated, self._best_step = at.step, best_step

    def closed(self) -> None:
        self._ended = True
        with suppress(OSError):
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines(options.max_width, options.ascii_only):
            line.no_wrap, line.overflow = True, "crop"
            yield line

    def _lines(self, width: int, ascii_only: bool) -> Iterator[Text]:
        yield from self._progress(width, ascii_only)
        yield from _folded(self._speed(), width)
        losses, metrics = self._losses, self._metrics
        names = max((len(name) for name in (*losses, *metrics)), default=0)
        for name, curve in losses.items():
            rest = f"first {number(curve.first)}  min {number(curve.least)}"
            yield _row(name.rjust(names), curve, rest, width, ascii_only)
        if not metrics:
            return
        parts = [f"validation at step {self._validated}"]
        if self._best_step:
            is_now = self._best_step == self._validated
            parts.append("best so far" if is_now else f"best at step {self._best_step}")
        yield from _folded(parts, width, style="bold")
        for name, curve in metrics.items():
            best = curve.greatest if self._higher.get(name) else curve.least
            star = "*" if ascii_only else "★"
            rest = f"best {number(best)}" + (f" {star}" if curve.last == best else "")
            rest = "" if math.isnan(best) else rest  # nothing was measured since training began
            yield _row(name.rjust(names), curve, rest, width, ascii_only)

    def _progress(self, width: int, ascii_only: bool) -> Iterator[Text]:
        at = self._at
        share = at.step / at.steps if at.steps else 1.0
        parts = [f"epoch {at.epoch or '-'}/{at.epochs}", f"step {at.step}/{at.steps}"]
        lines = list(_folded([*parts, f"{share:.0%}"], width))
        room = width - len(lines[-1]) - 2
        if room >= BAR // 3:
            lines[-1].append("  ").append_text(_bar(share, min(BAR, room), ascii_only))
        else:
            lines.append(_bar(share, min(BAR, width), ascii_only))
        yield from lines

    def _speed(self) -> list[str]:
        parts = speed(self._reading) if self._reading else []
        if self._memory:
            parts.append(f"{self._memory[0]} {size(self._memory[1])}")
        if self._ended:
            parts.append(f"took {duration(monotonic() - self._begun)}")
        elif rate := self._steps_per_second():
            parts.append(f"ETA {duration((self._at.steps - self._at.step) / rate)}")
        return parts or ["computing the first step"]

    def _steps_per_second(self) -> float:
        """As last read, or until then as the first steps show."""
        if self._reading:
            return self._reading.steps_per_second
        return (self._at.step - self._first_step) / max(self._last - self._begun, 1e-9)


def _with(
    curves: Mapping[str, Curve], values: Mapping[str, float], *, counts: bool = True
) -> dict[str, Curve]:
    found = {name: curves.get(name) or Curve() for name in values}
    for name, value in values.items():
        found[name].append(value, counts=counts)
    return found


def _row(name: str, curve: Curve, rest: str, width: int, ascii_only: bool) -> Text:
    """`l1 0.183  ▃▄▅▄▃▂  first 0.402  min 0.181`, as much of it as there is room for."""
    row = Text(f"{name} {number(curve.last):<8}")
    beside = len(rest) + 2 if rest and width >= ROOMY else 0
    drawn = sparkline(
        tuple(curve.values), min(LENGTH, width - len(row) - beside), ascii_only=ascii_only
    )
    row.append(drawn, style="cyan")
    if beside:
        row.append(f"  {rest}", style="dim")
    return row


def _bar(share: float, width: int, ascii_only: bool) -> Text:
    done = min(width, round(share * width))
    full, rest = "#-" if ascii_only else "━─"
    return Text(full * done, style="green").append(rest * (width - done), style="dim")


def _folded(parts: list[str], width: int, style: str = "") -> Iterator[Text]:
    """The parts side by side, in as many lines as they need."""
    line = ""
    for part in parts:
        if line and len(line) + 2 + len(part) > width:
            yield Text(line, style=style)
            line = part
        else:
            line = f"{line}  {part}" if line else part
    yield Text(line, style=style)
