"""Numbers the file operations of a process, so that a kill or a fault can be placed at any.

An audit hook hears of every file that Python opens to write, renames or removes. What it cannot
hear is patched under names that are not ours: os.fsync, and the function with which safetensors
writes a file from Rust. So no function of imtrans is named, and any of them may change. An audit
hook cannot be taken back: this is for the processes that killing.py forks.
"""

import errno
import json
import os
import resource
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from mmap import mmap
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ANY_SIZE = resource.RLIM_INFINITY
ERRORS = {"full": errno.ENOSPC, "forbidden": errno.EACCES, "broken": errno.EIO}


class Own(threading.local):
    """What each thread is at."""

    busy = False
    inside = False  # what is to end half written
    file, size = "", 0  # that is being written, and how large it was


class Numbering:
    """Notes each operation below a folder in shared memory, and acts at one of them.

    `order` may say where and what: {"at": [kind, path, time], "inside": bool, "act": name,
    "lasting": bool, "wrote": bytes}; `time` is 1 when that is done to this path for the first time.
    The acts are "kill", the ERRORS, "interrupt" (raised where it is, as a second Ctrl-C is) and
    "signal" (SIGINT). Inside a file it is killed once the file is half there; an error inside is
    the system's own, which cuts off what is longer than half of `wrote`.
    """

    def __init__(self, folder: str, record: mmap, order: dict[str, Any]) -> None:
        self.folder, self.record = os.path.abspath(folder) + os.sep, record
        self.at, self.inside = order.get("at"), order.get("inside", False)
        self.act, self.lasting = order.get("act", "kill"), order.get("lasting", False)
        self.wrote = order.get("wrote", 0)
        self._times: Counter[tuple[str, str]] = Counter()
        self._process, self._begun, self._lock = os.getpid(), False, threading.RLock()
        self._own = Own()

    def begin(self) -> None:
        """Hear of all operations from now on."""
        os.fsync = self._heard_fsync(os.fsync)
        safetensors.torch.serialize_file = self._heard_save(safetensors.torch.serialize_file)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple) -> None:
        if event in EVENTS and not self._own.busy and os.getpid() == self._process:
            with self._deaf():
                if found := EVENTS[event](*args):
                    self._note(*found)

    def _heard_fsync(self, fsync: Callable) -> Callable:
        def heard(file: Any) -> None:
            with self._deaf():
                self._note("sync", _path_of(file if isinstance(file, int) else file.fileno()))
            fsync(file)

        return heard

    def _heard_save(self, save: Callable) -> Callable:
        def heard(tensors: Any, path: Any, *args: Any, **kwargs: Any) -> None:
            try:
                with self._deaf():
                    self._note("write", _absolute(path))
            except OSError as error:  # in the words of safetensors
                told = f"I/O error: {error.strerror} (os error {error.errno})"
                raise SafetensorError(f"Error while serializing: {told}") from None
            save(tensors, path, *args, **kwargs)

        return heard

    @contextmanager
    def _deaf(self) -> Any:
        """To what this class does itself."""
        self._own.busy = True
        try:
            yield
        finally:
            self._own.busy = False

    def _note(self, kind: str, path: str, source: str = "") -> None:
        """An operation is about to be done."""
        if not path.startswith(self.folder):
            return
        with self._lock:
            before, own = self._written(), self._own
            if own.inside:
                self._end_inside(before)
            names = {"path": path, "source": source}
            names = {key: name.removeprefix(self.folder) for key, name in names.items()}
            row = {"kind": kind, **names, "before": before, "thread": threading.get_ident()}
            self.record.write(json.dumps(row).encode() + b"\n")
            own.file, own.size = path if kind in ("write", "append", "open") else "", 0
            if kind == "append" and os.path.isfile(path):
                own.size = os.path.getsize(path)
            self._times[kind, names["path"]] += 1
            if [kind, names["path"], self._times[kind, names["path"]]] == self.at:
                self._begun = True
                self._act(kind, path)
            elif self._begun and self.lasting:
                self._act(kind, path)

    def _written(self) -> int:
        """The bytes that came to the file of the operation before this one."""
        own = self._own
        return os.path.getsize(own.file) - own.size if os.path.isfile(own.file) else 0

    def _act(self, kind: str, path: str) -> None:
        if self.inside:
            self._own.inside = True
            if self.act != "kill":
                _limit_files(self._own.size + self.wrote // 2)
        elif self.act == "kill":
            os.kill(self._process, signal.SIGKILL)
        elif self.act == "interrupt":
            raise KeyboardInterrupt
        elif self.act == "signal":
            os.kill(self._process, signal.SIGINT)
        elif not (self.lasting and kind in ("remove", "rmdir")):  # a full disk lets these
            number = ERRORS[self.act]
            raise OSError(number, os.strerror(number), path)

    def _end_inside(self, wrote: int) -> None:
        """The operation that is to end inside is done, or has failed."""
        if self.act == "kill":
            if wrote:
                os.truncate(self._own.file, self._own.size + wrote // 2)
            os.kill(self._process, signal.SIGKILL)
        self._own.inside = False
        _limit_files(ANY_SIZE)


def _limit_files(size: int) -> None:
    """How long a file may become (bytes)."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (hard if size == resource.RLIM_INFINITY else size, hard)
    )


def _absolute(path: Any, folder: int = -1) -> str:
    path = os.fsdecode(path)
    if folder >= 0:  # as rmtree names files: relative to an open folder
        path = os.path.join(_path_of(folder), path)
    return os.path.abspath(path)


def _path_of(file: int) -> str:
    return os.readlink(f"/proc/self/fd/{file}")


# --- what the events say: kind, path, and the old path of a rename; None where nothing changes ---


def _opened(path: Any, _: Any, flags: int) -> tuple[str, str] | None:
    if isinstance(path, int) or not flags & WRITING:
        return None
    if flags & os.O_APPEND:
        return "append", _absolute(path)
    return "write" if flags & (os.O_TRUNC | os.O_EXCL) else "open", _absolute(path)


def _renamed(source: Any, path: Any, source_folder: int, folder: int) -> tuple | None:
    old = _absolute(source, source_folder)
    return ("rename", _absolute(path, folder), old) if os.path.lexists(old) else None


def _made(path: Any, _: int, folder: int) -> tuple[str, str] | None:
    made = _absolute(path, folder)
    return None if os.path.lexists(made) else ("mkdir", made)


def _gone(kind: str) -> Callable[[Any, int], tuple[str, str] | None]:
    def gone(path: Any, folder: int) -> tuple[str, str] | None:
        removed = _absolute(path, folder)
        return (kind, removed) if os.path.lexists(removed) else None

    return gone


def _truncated(path: Any, _: int) -> tuple[str, str]:
    return "truncate", _path_of(path) if isinstance(path, int) else _absolute(path)


def _linked(_: Any, path: Any, *folders: int) -> tuple[str, str]:
    return "link", _absolute(path, folders[-1])


EVENTS: dict[str, Callable[..., tuple | None]] = {
    "open": _opened,
    "os.rename": _renamed,  # os.replace too
    "os.remove": _gone("remove"),
    "os.rmdir": _gone("rmdir"),
    "os.mkdir": _made,
    "os.truncate": _truncated,
    "os.link": _linked,
    "os.symlink": _linked,
}
