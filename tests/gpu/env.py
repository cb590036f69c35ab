"""Part `env`: what the machine is, and how fast it copies and multiplies."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from report import table
from timing import timer_of
from work import Work

from imtrans.benchmark import rates
from imtrans.host.devices import has_tf32
from imtrans.host.words import size

QUERY = (
    "name,driver_version,vbios_version,memory.total,power.limit,clocks.max.sm,clocks.max.memory,"
    "clocks.sm,temperature.gpu,mig.mode.current"
)


def measure(work: Work) -> None:
    work.take(
        {
            "nvidia-smi": _driver,
            "torch": _versions,
            "copy": partial(_copy, work),
            "matrix products": partial(_products, work),
        }
    )


def lines(results: dict[str, Any]) -> Iterator[str]:
    rows = {**(results.get("nvidia-smi") or {}), **(results.get("torch") or {})}
    if copied := results.get("copy"):
        rows["copy on the device, GB/s read and written"] = copied["GB/s"]
    for name, rate in (results.get("matrix products") or {}).items():
        rows[f"matrix products in {name}, TFLOP/s"] = rate
    yield from table(("what", "is"), rows.items())


def _driver() -> dict[str, str]:
    if not shutil.which("nvidia-smi"):
        return {"nvidia-smi": "not there"}
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    values = found.stdout.splitlines()[0].split(", ") if found.stdout else []
    return dict(zip(QUERY.split(","), values, strict=False))


def _versions() -> dict[str, Any]:
    found = {
        "torch": torch.__version__,
        "CUDA of torch": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        found |= {
            "compute capability": f"{about.major}.{about.minor}",
            "multiprocessors": about.multi_processor_count,
            "memory": size(about.total_memory),
        }
    return found


def _copy(work: Work) -> dict[str, Any]:
    """A copy of 2 GB on the device, which no cache holds."""
    count = 2**16 if work.smoke else 2**31
    one = torch.zeros(count, dtype=torch.uint8, device=work.device)
    other = torch.empty_like(one)
    took = timer_of(work, repeats=4).spread(partial(other.copy_, one))
    return {"bytes": count, "us": took, "GB/s": 2 * count / took.median / 1e3}


def _products(work: Work) -> dict[str, float]:
    """Of 8192 x 8192 matrices, by what is multiplied."""
    if work.smoke:
        rates.SIDES["cpu"], rates.LEAST = 64, 0.0
    known = ("fp32", "tf32", "bf16") if has_tf32(work.device) else ("fp32", "bf16")
    return {each: rates.matrix_rate(work.device, each) / 1e12 for each in known}
