"""What this machine has (processor, cores, memory, the limits of a container), and how much of
its memory this process uses."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

GROUPS = Path("/sys/fs/cgroup")
NO_LIMIT = 2**60  # for "no limit" version 1 of control groups writes about 2 ** 63


@dataclass(frozen=True)
class MachineMemory:
    """The memory of the machine, or of the container (bytes)."""

    total: int
    available: int


@dataclass(frozen=True)
class ProcessMemory:
    """The memory that this process uses (bytes); None where the system does not say."""

    resident: int | None  # in physical memory now
    anonymous: int | None  # of that, its own data: memory-mapped files are not counted
    peak: int | None  # the most that was ever resident


def cpu_name() -> str:
    """The processor's model name, or its architecture."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"


def cores() -> int:
    """Cores that this process may use: the machine's, limited by its affinity and container."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    quota = _quota()
    return max(1, min(count, round(quota))) if quota else count


def bf16_instructions() -> str | None:
    """The CPU's instructions for bfloat16: 'AMX', 'AVX512-BF16', or None."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if known.get("amx_bf16"):
        return "AMX"
    return "AVX512-BF16" if known.get("avx512_bf16") else None


def memory() -> MachineMemory | None:
    """The memory of the machine or its container, or None where the system does not say."""
    total, available = _without_container()
    if not total:
        return None
    for folder in _group_folders():
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit and limit < min(total, NO_LIMIT):
            total, available = limit, min(available, max(limit - _used(folder), 0))
    return MachineMemory(total, available)


def process_memory() -> ProcessMemory:
    """The memory that this process uses now, and used at its peak."""
    rows: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                rows[name] = int(value.split()[0]) * 1024
    # Not from getrusage on Linux: a process starts with the ru_maxrss of the one that started it.
    peak = _peak_on_macos() if sys.platform == "darwin" else rows.get("VmHWM")
    return ProcessMemory(rows.get("VmRSS"), rows.get("RssAnon"), peak)


def _peak_on_macos() -> int:
    from resource import RUSAGE_SELF, getrusage  # Windows does not have this module

    return getrusage(RUSAGE_SELF).ru_maxrss  # bytes on macOS, unlike on Linux


def _without_container() -> tuple[int, int]:
    """Total and available memory of the machine itself; (0, 0) if unknown."""
    with suppress(OSError, ValueError):
        rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        kilobytes = {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) > 1}
        if "MemTotal" in kilobytes:
            free = kilobytes.get("MemAvailable", kilobytes.get("MemFree", 0))
            return kilobytes["MemTotal"] * 1024, free * 1024
    with suppress(OSError, ValueError, AttributeError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return total, total  # macOS does not say what is free
    return 0, 0


def _used(folder: Path) -> int:
    """The memory that a control group uses, without the page cache, which can be freed."""
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    with suppress(OSError, ValueError):
        rows = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        used -= {key: int(value) for key, value in rows}.get("inactive_file", 0)
    return max(used, 0)


def _quota() -> float | None:
    """The CPU quota of the control group, in cores, if it has one."""
    for folder in _group_folders():
        with suppress(OSError, ValueError, IndexError):
            granted, period = (folder / "cpu.max").read_text().split()[:2]
            return int(granted) / int(period)
        granted_v1, period_v1 = (
            _number(folder / "cpu.cfs_quota_us"),
            _number(folder / "cpu.cfs_period_us"),
        )
        if granted_v1 and period_v1:
            return granted_v1 / period_v1
    return None


def _group_folders() -> Iterator[Path]:
    """Folders that may hold the limits of this process, in versions 1 and 2 of control groups."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory", "cpu,cpuacct", "cpu"):
                base = GROUPS / controllers if controllers else GROUPS
                if path != "/":
                    yield base / path.lstrip("/")
                yield base


def _number(file: Path) -> int | None:
    """The positive number in a file, or None if it holds something else."""
    with suppress(OSError, ValueError):
        value = int(file.read_text())
        return value if value > 0 else None
    return None
