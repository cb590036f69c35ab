"""Ray without its own output: what it prints goes to a file, which is of use when it fails."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

# Before Ray is imported. Nothing is sent to anyone, and GPUs are hidden from who asked for none.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


def settle() -> None:
    """Set what Ray reads from the environment, but for what the user has set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


@contextmanager
def hushed(log: Path) -> Iterator[TextIO]:
    """Whatever this process and its threads print, also in compiled code, goes to `log`; gives the
    stream for what the user is to see."""
    with ExitStack() as stack:
        file = stack.enter_context(log.open("a", encoding="utf-8", errors="replace"))
        terminal = stack.enter_context(_own(sys.stdout))
        for number in (1, 2):
            stack.enter_context(_redirected(number, file.fileno()))
        stack.enter_context(redirect_stdout(file))
        stack.enter_context(redirect_stderr(file))
        yield terminal


@contextmanager
def _own(stream: TextIO) -> Iterator[TextIO]:
    """The stream with a descriptor of its own, if it has one."""
    try:
        number = stream.fileno()
    except (OSError, io.UnsupportedOperation):  # in memory, as in tests
        yield stream
        return
    stream.flush()
    with os.fdopen(os.dup(number), "w", encoding=stream.encoding, errors="replace") as own:
        yield own


@contextmanager
def _redirected(number: int, to: int) -> Iterator[None]:
    kept = os.dup(number)
    os.dup2(to, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
