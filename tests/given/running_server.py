"""`imtrans serve` in a process of its own, as a person starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

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
    """Serves until the end of the block, then is ended as a system ends it; whatever it says is in
    its log."""
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
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert sorted(temporary.rglob("*")) == []  # uploads and results are gone
    finally:
        process.kill()
        process.wait()


def asked(server, path, body=None):
    """The status and the text of an answer."""
    kind = {"Content-Type": "application/json"}
    try:
        request = Request(f"{server.url}gradio_api/{path}", body, kind)
        with urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def at_once(server, body, count=50):
    """So many calls at the same time: how many were answered, and how many refused."""

    def one(_):
        status, text = asked(server, "call/translate", body)
        if status == 503:
            assert "Queue is full" in text
            assert "\n" not in text
            return "refused"
        assert status == 200, text
        _, events = asked(server, f"call/translate/{json.loads(text)['event_id']}")
        assert "event: complete" in events
        return "answered"

    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(one, range(count)))
    return found.count("answered"), found.count("refused")
