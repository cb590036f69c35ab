"""Training as lines of text: for files, pipes and job logs."""

from collections.abc import Mapping
from contextlib import suppress

from rich.console import Console

from imtrans.api.listener import Listener, Measured, Moment, Reading
from imtrans.host.terminal import say
from imtrans.host.words import duration
from imtrans.runs.journal import Past
from imtrans.training.display.progress import losses, seconds_left, speed


class PlainLines(Listener):
    """One line whenever losses are read or metrics measured."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def recall(self, past: Past, higher: Mapping[str, bool], best_step: int) -> None:
        """Lines say what is new: the sessions before have had theirs."""

    def said(self, line: str) -> None:
        # A reader that is gone (`| head`) or a full disk behind `>` must not end a training.
        with suppress(OSError):
            say(self._console, line)

    def logged(self, at: Moment, reading: Reading) -> None:
        parts = [
            f"epoch {at.epoch}/{at.epochs}",
            f"step {at.step}/{at.steps}",
            *speed(reading),
            f"ETA {duration(seconds_left(at, reading))}",
            losses(reading),
        ]
        self.said("  ".join(parts))

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        values = "  ".join(f"{name} {found.value:.4g}" for name, found in metrics.items())
        values = values or "no value is a number"
        mark = "  best so far" if best_step == at.step > 0 else ""
        self.said(f"step {at.step}: validation  {values}{mark}")
