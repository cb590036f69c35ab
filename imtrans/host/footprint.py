"""The memory that this training uses now."""

import torch

from imtrans.host.machine import process_memory


def footprint() -> tuple[str, int] | None:
    """What is measured, and its bytes: the tensors on GPUs if there are any, else the resident
    memory of the process. None where the system does not say."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        if used := sum(torch.cuda.memory_allocated(device) for device in devices):
            return "GPU memory", used
    resident = process_memory().resident
    return ("memory", resident) if resident else None
