"""Locks between processes: one alone or several that share, gone with their holder."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from imtrans.host import locks
from imtrans.host.locks import Locked, locked

HOLD = """
import sys, time
from pathlib import Path
from imtrans.host.locks import locked
with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock; it is killed at the end."""
    started = []

    def start(how="alone", path=None):
        command = [sys.executable, "-c", HOLD, str(path or tmp_path / "lock"), how]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("theirs", "ours", "free"),
    [("alone", "alone", False), ("alone", "shared", False), ("shared", "alone", False)]
    + [("shared", "shared", True)],
)
def test_one_alone_may_hold_it_or_several_that_share(holder, tmp_path, theirs, ours, free):
    holder(theirs)
    if free:
        with locked(tmp_path / "lock", shared=True) as held:
            assert held
    else:
        with (
            pytest.raises(Locked, match="locked by another process"),
            locked(tmp_path / "lock", shared=ours == "shared"),
        ):
            pass


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_the_lock_of_a_killed_process_is_free(holder, tmp_path, how):
    process = holder(how)
    process.kill()
    process.wait()
    with locked(tmp_path / "lock") as held:
        assert held


def test_who_waits_gets_it_when_the_holder_ends(holder, tmp_path):
    process = holder()
    timer = threading.Timer(0.3, process.kill)
    timer.start()
    with locked(tmp_path / "lock", wait=True) as held:
        assert held
        assert process.wait() == -signal.SIGKILL
    timer.join()


def test_two_places_in_one_process_exclude_each_other_too(tmp_path):
    path = tmp_path / "deep" / "lock"
    with locked(path), pytest.raises(Locked), locked(path):
        pass
    with locked(path, shared=True), locked(path, shared=True):
        pass
    with locked(path):
        pass


def test_an_error_in_the_block_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with locked(tmp_path / "lock"):
        pass


def test_the_holder_may_remove_the_file_and_who_waited_locks_the_new_one(tmp_path):
    path, order = tmp_path / "lock", []

    def wait_for_it():
        with locked(path, wait=True):
            order.append("waited")
            with pytest.raises(Locked), locked(path):
                pass

    with locked(path):
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        time.sleep(0.3)
        order.append("held")
        path.unlink()
    thread.join(timeout=30)
    assert order == ["held", "waited"]


def add_one(lock, counter, times):
    for _ in range(times):
        with locked(lock, wait=True):
            number = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(number + 1))
            lock.unlink()  # so that the file comes and goes all the time


def test_no_addition_is_lost_among_processes_that_remove_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PAUSE", 0.002)
    counter = tmp_path / "counter"
    counter.write_text("0")
    spawn = multiprocessing.get_context("spawn")
    work = [spawn.Process(target=add_one, args=(tmp_path / "lock", counter, 20)) for _ in range(3)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert counter.read_text() == "60"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    code = """
import os, sys, time
from pathlib import Path
from imtrans.host.locks import locked
with locked(Path(sys.argv[1])):
    if os.fork() == 0:
        os.close(1)
        time.sleep(60)
    print("forked", flush=True)
    os.kill(os.getpid(), 9)
"""
    # A process group of its own, so that the sleeping child can be ended with it.
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        process.communicate()
        with locked(tmp_path / "lock") as held:
            assert held
    finally:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_where_the_file_system_knows_no_locks_the_work_goes_on_without(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path / "lock") as held:
        assert not held


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_any_other_fault_names_the_file_and_leaves_none_open(tmp_path, monkeypatch):
    def fail(file, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("fcntl.flock", fail)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    with pytest.raises(OSError, match="Input/output error") as caught, locked(tmp_path / "lock"):
        pass
    assert caught.value.filename == str(tmp_path / "lock")
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_who_only_reads_may_share_on_a_read_only_disk(tmp_path, monkeypatch):
    (tmp_path / "lock").touch()
    really = os.open

    def read_only(path, flags, *rest):
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return really(path, flags, *rest)

    monkeypatch.setattr(os, "open", read_only)
    with locked(tmp_path / "lock", shared=True) as held:
        assert held
    with pytest.raises(OSError, match="Read-only"), locked(tmp_path / "lock"):
        pass
