"""Calls a function in a child of this process: what takes a new Python seconds, importing torch,
is there already. Needs fork, as Linux and macOS have it."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


class Child:
    """A call in a process of its own; what it prints goes to two files in a folder."""

    def __init__(self, folder: Path, function: Callable[..., object], *arguments: object) -> None:
        folder.mkdir(parents=True)
        self.folder, self.code = folder, None
        self.pid = os.fork()
        if self.pid == 0:
            self._run(function, arguments)

    def _run(self, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        code = 1
        try:
            for number, name in ((1, "out"), (2, "err")):
                file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT)
                os.dup2(file, number)
            # pytest's own streams are not those of the process.
            sys.stdout, sys.stderr = (open(n, "w", buffering=1, closefd=False) for n in (1, 2))
            function(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # nothing of pytest's is to end here

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        if self.code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if found else None
        return self.code

    def wait(self) -> int:
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()
