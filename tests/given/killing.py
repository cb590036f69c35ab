"""Runs commands that are killed and started again.

A process of its own imports torch once and then forks one command after another: one start costs
milliseconds, so that hundreds of kills take minutes. Shared by test_kills.py, test_faults.py and
soak.py; it needs fork and sigtimedwait, as Linux has.
"""

import gc
import json
import mmap
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, Self

from cells import CELLS, Cell, Start, register_small
from operations import Operation, read
from traces import traces

ROOM = 1 << 20  # bytes, for what a command prints and for the record of its operations
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class End:
    """How a command ended."""

    code: int  # KILLED, or its exit code
    out: str
    err: str
    seconds: float
    operations: list[Operation]  # all that it began, below its place


class Runner:
    """Runs commands of imtrans, one after another, each in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, start: Start, **order: object) -> End:
        """Run a command to its end; or with an order, to its kill: `after` seconds, or where and
        what a Numbering is told. Or with a signal: `sent` when there is something in the file
        `once`, to the command's whole group or to itself alone (`to`)."""
        start.place.mkdir(parents=True, exist_ok=True)
        order |= {"arguments": start.arguments, "place": str(start.place)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the process that forks commands ended: {self._process.wait()}"
        end = json.loads(answer)
        return End(**end | {"operations": [Operation(*one) for one in end["operations"]]})


@dataclass(frozen=True)
class Whole:
    """A command that nothing disturbed."""

    place: Path
    traces: dict[str, Any]
    end: End


class Stage:
    """The cells with their data, and how each ends where nothing disturbs it."""

    def __init__(self, folder: Path, runner: Runner, cells: dict[str, Cell] = CELLS) -> None:
        self.folder, self.runner, self.cells = folder, runner, cells
        self._whole: dict[tuple[str, ...], Whole] = {}

    def start(self, cell: str, place: Path, *settings: str) -> Start:
        folder = self.folder / f"cell {list(self.cells).index(cell)}"
        if not folder.exists():
            self.cells[cell].prepare(folder)
        return self.cells[cell].start(folder, place, *settings)

    def whole(self, cell: str, *settings: str) -> Whole:
        """An uninterrupted run of the cell, done once."""
        if (cell, *settings) not in self._whole:
            start = self.start(cell, self.folder / f"whole {len(self._whole)}", *settings)
            end = self.runner.run(start)
            assert end.code == 0, end.out + end.err
            self._whole[cell, *settings] = Whole(start.place, traces(start.run), end)
        return self._whole[cell, *settings]


# --- the process that forks ---


def serve() -> None:
    """Fork a command for each line on stdin; answer each with a line on stdout."""
    import torch

    torch.set_num_threads(1)
    register_small()
    _warm_up()
    gc.collect()
    gc.freeze()  # else each child would copy all of this memory when it collects garbage
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        print(json.dumps(_forked(json.loads(line))), flush=True)


def _warm_up() -> None:
    """Train once, so that whatever is imported or made ready at first use is there to be forked."""
    cell = Cell(("data.workers=0", "train.epochs=1"))
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nothing:
        cell.prepare(Path(folder))
        with redirect_stdout(nothing):
            command(cell.start(Path(folder), Path(folder)).arguments)


def _forked(order: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a child; what is known of its end."""
    # Nothing here is a file on the disk: no limit to the size of files concerns it.
    printed, record, begun = (_pipe(), _pipe()), mmap.mmap(-1, ROOM), time.monotonic()
    child = os.fork()
    if child == 0:
        _run(order, [writing for _, writing in printed], record)
    if "sent" in order:
        _wait_for(Path(order["once"]))
        (os.killpg if order["to"] == "group" else os.kill)(child, order["sent"])
    if "after" in order:
        signal.sigtimedwait({signal.SIGCHLD}, order["after"])
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.sigtimedwait({signal.SIGCHLD}, 0)  # noted; the next wait is for the next child
    out, err = (_drained(*pipe) for pipe in printed)
    told = {"code": code, "out": out, "err": err, "seconds": time.monotonic() - begun}
    return told | {"operations": [list(vars(one).values()) for one in read(record)]}


def _wait_for(file: Path) -> None:
    end = time.monotonic() + 120
    while not (file.exists() and file.stat().st_size) and time.monotonic() < end:
        time.sleep(0.01)


def _pipe() -> tuple[int, int]:
    """A pipe that takes all that a command prints, unread."""
    import fcntl  # which Windows has not; test modules are imported there too

    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, ROOM)
    os.set_blocking(reading, False)  # a loading process may still have it open
    return reading, writing


def _drained(reading: int, writing: int) -> str:
    os.close(writing)
    try:
        return os.read(reading, ROOM).decode(errors="replace")
    except BlockingIOError:
        return ""
    finally:
        os.close(reading)


def _run(order: dict[str, Any], printed: list[int], record: mmap.mmap) -> NoReturn:
    """In the child: number the operations, run the command, end."""
    from numbering import Numbering

    code: object = 1
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was ignored
        with open(os.devnull) as nothing:
            for stream, number in ((nothing.fileno(), 0), (printed[0], 1), (printed[1], 2)):
                os.dup2(stream, number)
        # The streams of the parent may know their file as one with places, as a pipe is not.
        sys.stdout, sys.stderr = (open(n, "w", buffering=1, closefd=False) for n in (1, 2))
        os.environ["IMTRANS_CACHE"] = os.path.join(order["place"], "caches")
        Numbering(order["place"], record, order).begin()
        code = command(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def command(arguments: list[str]) -> object:
    from imtrans.cli.main import main

    sys.argv = ["imtrans", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


if __name__ == "__main__":
    serve()
