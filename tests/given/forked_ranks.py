"""Ranks of a job as forks of this process: they form their group in milliseconds, as torch is
imported already. What torchrun itself does is tested with torchrun."""

import os
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

import torch._dynamo  # noqa: F401  # takes seconds, and is asked for by every training
from forking import Child

from imtrans.cli.main import main
from imtrans.host.group import joined


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Ranks:
    """Calls of one function, each as a rank of one group: `function(group, *arguments)`, or for a
    command of imtrans its arguments."""

    def __init__(
        self, folder: Path, count: int, function, *arguments, patience: float = 60
    ) -> None:
        self.folder, self.count, port = folder, count, free_port()
        self._asked = function, arguments, patience
        self.children = [
            Child(folder / f"rank {number}", self._run, number, port) for number in range(count)
        ]

    def _run(self, number: int, port: int) -> None:
        os.environ |= {
            "RANK": str(number),
            "WORLD_SIZE": str(self.count),
            "LOCAL_RANK": str(number),
            "LOCAL_WORLD_SIZE": str(self.count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        function, arguments, patience = self._asked
        if function is not None:
            with joined(patience) as group:
                function(group, *arguments)
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ["COLUMNS"] = "200"
        sys.argv = ["imtrans", *map(str, arguments)]
        try:
            main()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code or 0)

    def wait(self) -> list[int]:
        """The exit codes, by rank."""
        return [child.wait() for child in self.children]

    def done(self) -> "Ranks":
        """Wait for all; they must have done their work."""
        codes = self.wait()
        assert codes == [0] * self.count, "\n".join(f"{c.out}{c.err}" for c in self.children)
        return self

    @property
    def out(self) -> str:
        """What rank 0 has printed."""
        return self.children[0].out

    @property
    def err(self) -> str:
        return "".join(child.err for child in self.children)


def commands(folder: Path, count: int, *arguments: object) -> Ranks:
    """A command of imtrans on so many ranks, which print into `folder`."""
    return Ranks(folder, count, None, *arguments)
