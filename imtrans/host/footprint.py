"""How much memory this training takes just now."""

from contextlib import suppress
from pathlib import Path

import torch


def footprint() -> tuple[str, int] | None:
    """What is measured, and its bytes: tensors on a GPU, where there are any, else what the process
    has in memory. None where it cannot be told."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        if used := sum(torch.cuda.memory_allocated(device) for device in devices):
            return "GPU memory", used
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return "memory", int(line.split()[1]) * 1024
    return None
