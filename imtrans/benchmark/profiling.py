"""Where the time of a training step goes, by operation and by kind of operation."""

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from imtrans.benchmark.rounds import Spread, in_turns
from imtrans.benchmark.subject import Subject, waiting_for

STEPS, SHOWN = 5, 12
BUSY = 0.7  # of a step's time: a device that computes less than that is waiting for the host

# The kind of an operation is the first pattern found in its name, of torch or of a CUDA kernel.
COMPILED, BACK, CONV, REST = (
    "fused by the compiler",
    "convolution, backward",
    "convolution, forward",
    "the rest",
)
GROUPS = {
    COMPILED: r"cpp_fused|triton_|CompiledF|TorchDynamo|Torch-Compiled",
    BACK: r"conv\w*_?backward|dgrad|wgrad|bgrad",
    CONV: r"conv|fprop|gemm|xmma|cutlass|aten::mm",
    "norms": r"norm|bn_|welford",
    "Adam": r"adam|addcdiv|addcmul|lerp|sqrt|multi_tensor",
    "casts and copies": r"copy|_to|::to\b|cat|memcpy|memset|nchw|nhwc|transpose",
    "activations and losses": r"relu|tanh|threshold|dropout|bernoulli|clamp|softplus|abs|mean|sigm",
}


@dataclass(frozen=True)
class Operation:
    """One operation of a step; `share` of the time of all operations, 0 ... 1."""

    name: str
    group: str
    share: float
    calls: float  # per step


@dataclass(frozen=True)
class Profile:
    """The time of a step, by operation."""

    engine: str
    batch: int
    ms: float  # per step, without the profiler
    busy: float | None  # share of it in which a GPU computed
    groups: dict[str, float]  # share by group, the largest first
    operations: list[Operation]  # the largest first
    bound: str


def take_profile(subject: Subject, flops: float | None, rate: float | None) -> Profile:
    """Profile a few steps. With the `flops` of a step and the device's `rate` (FLOP/s), the
    efficiency of its convolutions is known too."""
    device = subject.device
    wait = waiting_for(device)
    ms = Spread.of(in_turns({"step": subject.step}, 3, wait)["step"]).median * 1000
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with _quietly(), profile(activities=activities) as watched:
        for _ in range(STEPS):
            subject.step()
        wait()
    times = _times(watched.key_averages(), on_gpu)
    total = sum(microseconds for _, microseconds, _ in times) or 1.0
    operations = sorted(
        (Operation(name, group_of(name), t / total, n / STEPS) for name, t, n in times),
        key=lambda operation: -operation.share,
    )
    groups = grouped(operations)
    busy = min(total / 1000 / STEPS / ms, 1.0) if on_gpu else None
    bound = what_binds(groups, busy, _efficiency(groups, ms * (busy or 1), flops, rate))
    batch = len(subject.batch.source)
    return Profile(str(subject.engine), batch, ms, busy, groups, operations[:SHOWN], bound)


def group_of(name: str) -> str:
    """The kind of an operation, from its name."""
    found = (group for group, pattern in GROUPS.items() if re.search(pattern, name, re.IGNORECASE))
    return next(found, REST)


def grouped(operations: Iterable[Operation]) -> dict[str, float]:
    """The shares of operations summed by group, the largest first."""
    shares: dict[str, float] = {}
    for operation in operations:
        shares[operation.group] = shares.get(operation.group, 0.0) + operation.share
    return dict(sorted(shares.items(), key=lambda row: -row[1]))


def what_binds(groups: dict[str, float], busy: float | None, efficiency: float | None) -> str:
    """One line that names the bottleneck of a step."""
    if busy is not None and busy < BUSY:
        return f"the host: the device computes for {busy:.0%} of a step's time and waits otherwise"
    convolutions = groups.get(CONV, 0.0) + groups.get(BACK, 0.0)
    others = {group: share for group, share in groups.items() if group not in (CONV, BACK)}
    largest = max(others, key=lambda group: others[group], default=REST)
    if convolutions >= others.get(largest, 0.0):
        how = f", at {efficiency:.1%} of the device's matrix rate" if efficiency else ""
        return f"convolutions: {convolutions:.0%} of the step{how}"
    return f"{largest}: {others[largest]:.0%} of the step"


def _efficiency(
    groups: dict[str, float], ms: float, flops: float | None, rate: float | None
) -> float | None:
    """The rate of the convolutions as a share of the device's; None where it is not given, or
    where the compiler fused them with other operations."""
    share = groups.get(CONV, 0.0) + groups.get(BACK, 0.0)
    if not flops or not rate or not share or COMPILED in groups:
        return None
    return flops / (ms / 1000 * share) / rate


def _times(rows: Iterable[Any], on_gpu: bool) -> list[tuple[str, float, int]]:
    """(name, microseconds, calls) of each operation, without the operations that it calls."""
    if not on_gpu:
        return [(row.key, row.self_cpu_time_total, row.count) for row in rows]
    return [
        (row.key, row.self_device_time_total, row.count)
        for row in rows
        if row.device_type == DeviceType.CUDA and not getattr(row, "is_user_annotation", False)
    ]


@contextmanager
def _quietly() -> Iterator[None]:
    """Discard what the profiler itself writes to stderr, which bypasses Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
