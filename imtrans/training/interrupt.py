"""Ctrl-C, SIGTERM and SIGHUP as a wish, not an accident: the step in progress is finished first."""

import signal
import threading
from time import monotonic
from types import FrameType
from typing import Any, Self

# A closed terminal or a lost connection hangs up; Windows knows no such signal.
ENDINGS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
PATIENCE = 1.0  # seconds in which a second Ctrl-C is still the first


def signal_name(number: signal.Signals) -> str:
    """What arrived, as a person knows it."""
    return "Ctrl-C" if number == signal.SIGINT else number.name


class Interrupt:
    """While entered, notes the first of these signals; a later second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._at = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # Python allows handlers in the main thread alone; elsewhere interrupts stay as they are.
        if threading.current_thread() is threading.main_thread():
            for number in ENDINGS:
                # What is ignored already, as SIGHUP under nohup, stays so.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received, self._at = signal.Signals(number), monotonic()
        # Schedulers and terminals send some signals twice; only who presses again is meant.
        elif number == signal.SIGINT and monotonic() - self._at > PATIENCE:
            raise KeyboardInterrupt
