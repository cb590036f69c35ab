"""`imtrans serve` in a process of its own, as a person starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

PATIENCE = 90  # s


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class RunningServer:
    """Where it is, and its process."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}/"

    @property
    def megabytes(self):
        """Its memory."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def said(self):
        return self.log.read_text()


@contextmanager
def running_server(folder, *arguments, **environment):
    """Serves until the end of the block, then gets Ctrl-C; whatever it says is in its log."""
    port, log = free_port(), folder / "serve.log"
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "imtrans", "serve", *map(str, arguments), "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(temporary), **environment},
        )
    try:
        server = RunningServer(process, port, log)
        end = time.monotonic() + PATIENCE
        while "serving " not in server.said:
            assert process.poll() is None, server.said
            assert time.monotonic() < end, server.said
            time.sleep(0.05)
        yield server
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert sorted(temporary.rglob("*")) == []  # uploads and results are gone
    finally:
        process.kill()
        process.wait()
