"""The cores and the memory of the machine or its container, and the memory of this process."""

import mmap
from pathlib import Path

import pytest

from imtrans.checking.data.inspection import FEW, worker_processes
from imtrans.host import machine
from imtrans.host.footprint import footprint
from imtrans.host.machine import process_memory

linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="known on Linux only")


@pytest.fixture
def group(monkeypatch, tmp_path):
    """A folder in place of this process's control group."""
    monkeypatch.setattr(machine, "_group_folders", lambda: [tmp_path])
    return tmp_path


@pytest.mark.parametrize(
    ("file", "used"),
    [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")],
)
def test_a_containers_memory_counts(group, file, used):
    (group / file).write_text("1000000000\n")
    (group / used).write_text("400000000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 100000000\n")
    assert machine.memory() == machine.MachineMemory(10**9, 7 * 10**8)


@pytest.mark.parametrize("content", ["max\n", str(2**63 - 4096), "", "0"])
def test_a_container_without_limit_has_the_machines_memory(group, content):
    before = machine._without_container()[0]
    (group / "memory.max").write_text(content)
    here = machine.memory()
    assert (here.total if here else 0) == before


@pytest.mark.parametrize(
    ("content", "count"), [("100000 100000\n", 1), ("50000 100000", 1), ("max 100000", None)]
)
def test_a_containers_share_of_the_cores_counts(group, content, count, monkeypatch):
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (group / "cpu.max").write_text(content)
    assert machine.cores() == (count or 8)


def test_the_processor_has_a_name():
    assert machine.cpu_name()


def test_a_system_without_cpu_affinity_checks_data_with_all_its_cores(monkeypatch):
    # macOS and Windows have no os.sched_getaffinity.
    monkeypatch.delattr(machine.os, "sched_getaffinity", raising=False)
    assert worker_processes(FEW) == machine.cores()
    assert worker_processes(FEW - 1) == 0
    assert worker_processes(FEW, 3) == 3


@linux
def test_the_memory_of_this_process_grows_with_what_it_holds():
    before = process_memory()
    held = mmap.mmap(
        -1, 64 * 2**20, mmap.MAP_PRIVATE
    )  # of the system, and not what an earlier test has given back
    held.write(bytes(len(held)))  # touched, so that it is resident
    after = process_memory()
    assert after.resident >= before.resident + 60 * 2**20
    assert after.anonymous >= before.anonymous + 60 * 2**20
    assert after.peak >= after.resident >= after.anonymous
    name, used = footprint()
    assert (name, used > 64 * 2**20) == ("memory", True)


def test_where_the_system_does_not_say_memory_is_unknown(monkeypatch):
    def no_file(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", no_file)
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert process_memory() == machine.ProcessMemory(None, None, None)
    assert footprint() is None
