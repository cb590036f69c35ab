"""Which kernels run in a call, and for how long, as torch's profiler sees them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from imtrans.benchmark.profiling import _quietly, group_of

SHOWN = 12


@dataclass(frozen=True)
class Kernels:
    """Kernels, copies and fills on the device in one call; on a CPU, operations of torch."""

    count: float
    us: float  # sum of their times
    groups: dict[str, float]  # us by kind
    longest: list[tuple[str, float, float]]  # name, us, count


def kernels_of(call: Callable[[], object], device: torch.device, calls: int = 5) -> Kernels:
    """The mean of several calls."""
    on_gpu = device.type == "cuda"
    call()
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with _quietly(), profile(activities=[activity]) as watched:
        for _ in range(calls):
            call()
        if on_gpu:
            torch.cuda.synchronize(device)
    rows = [
        (row.key, _us(row, on_gpu) / calls, row.count / calls)
        for row in watched.key_averages()
        if not on_gpu or _is_kernel(row)
    ]
    groups: Counter[str] = Counter()
    for name, us, _ in rows:
        groups[group_of(name)] += us
    longest = sorted(rows, key=lambda row: -row[1])[:SHOWN]
    count = sum(times for _, _, times in rows)
    shown = [(name[:120], us, times) for name, us, times in longest]
    return Kernels(count, sum(us for _, us, _ in rows), dict(groups.most_common()), shown)


def _us(row: object, on_gpu: bool) -> float:
    return row.self_device_time_total if on_gpu else row.self_cpu_time_total


def _is_kernel(row: object) -> bool:
    annotation = getattr(row, "is_user_annotation", False)
    return row.device_type == DeviceType.CUDA and not annotation
