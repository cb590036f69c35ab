"""All that hear of a training, as one: the journal, the display, and the loggers of plugins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL.Image import Image

from imtrans.api.listener import Listener, Measured, Moment, Reading


class Listeners(Listener):
    """Passes on what it hears: to our own listeners, which may end a training, and to loggers.

    A logger may have any of a listener's methods. Once it raises, it is switched off with a line,
    and the training goes on.
    """

    def __init__(self, own: Sequence[Listener], loggers: Mapping[str, object]) -> None:
        self._own, self._loggers = own, dict(loggers)

    def begun(self, at: Moment) -> None:
        self._tell("begun", at)

    def stepped(self, at: Moment) -> None:
        self._tell("stepped", at)

    def logged(self, at: Moment, reading: Reading) -> None:
        self._tell("logged", at, reading)

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        self._tell("validated", at, metrics, best_step)

    def sampled(self, at: Moment, grid: Image) -> None:
        self._tell("sampled", at, grid)

    def saved(self, at: Moment, path: Path) -> None:
        self._tell("saved", at, path)

    def said(self, line: str) -> None:
        self._tell("said", line)

    def closed(self) -> None:
        self._tell("closed")

    def _tell(self, event: str, *facts: Any) -> None:
        for listener in self._own:
            getattr(listener, event)(*facts)
        for name in list(self._loggers):
            try:
                # Gone, if it failed as it heard that another had failed.
                if hears := getattr(self._loggers.get(name), event, None):
                    hears(*facts)
            except Exception as error:  # a third party's code: anything can come out of it
                del self._loggers[name]
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self.said(f"warning: the logger '{name}' failed and is switched off ({reason})")
