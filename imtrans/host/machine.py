"""What this machine has: processor, cores and memory, and what a container leaves of them."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

GROUPS = Path("/sys/fs/cgroup")
NO_LIMIT = 2**60  # what version 1 of control groups writes is about 2 ** 63


@dataclass(frozen=True)
class Memory:
    """The memory of the machine, or of the container (bytes)."""

    total: int
    available: int


def cpu_name() -> str:
    """The processor as its maker calls it, or its architecture."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"


def cores() -> int:
    """Cores that this process may use: those of the machine, of its mask, of its container."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    quota = _quota()
    return max(1, min(count, round(quota))) if quota else count


def bf16_instructions() -> str | None:
    """What the CPU has for bfloat16: 'AMX', 'AVX512-BF16', or None."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if known.get("amx_bf16"):
        return "AMX"
    return "AVX512-BF16" if known.get("avx512_bf16") else None


def memory() -> Memory | None:
    """The memory that is there, or None where it cannot be told."""
    total, available = _of_the_machine()
    if not total:
        return None
    for folder in _group_folders():
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit and limit < min(total, NO_LIMIT):
            total, available = limit, min(available, max(limit - _used(folder), 0))
    return Memory(total, available)


def _of_the_machine() -> tuple[int, int]:
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
    """What a control group uses; the page cache among it can be had back."""
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    with suppress(OSError, ValueError):
        rows = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        used -= {key: int(value) for key, value in rows}.get("inactive_file", 0)
    return max(used, 0)


def _quota() -> float | None:
    """How many cores' time the control group grants, if it limits that."""
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
    """Where the limits of this process may stand, in version 2 of control groups and in 1."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory", "cpu,cpuacct", "cpu"):
                base = GROUPS / controllers if controllers else GROUPS
                if path != "/":
                    yield base / path.lstrip("/")
                yield base


def _number(file: Path) -> int | None:
    """The positive number that a file holds, if it does."""
    with suppress(OSError, ValueError):
        value = int(file.read_text())
        return value if value > 0 else None
    return None
