"""Where something is measured: the machine, the versions, and the commit."""

import hashlib
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import imtrans
from imtrans.benchmark.training import hardware
from imtrans.host.machine import cores, cpu_name

ROOT = Path(__file__).parents[2]
GIVEN = ROOT / "COMMIT"  # in a bundle, which has no git


def place(device: torch.device, data: Path | None, *, smoke: bool) -> dict[str, Any]:
    """What must be the same for two measurements to belong together."""
    return {
        "device": hardware(device),
        "cpu": f"{cpu_name()}, {cores()} cores",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "imtrans": imtrans.__version__,
        "commit": commit(),
        "pairs": "drawn" if data is None else data.name,
        "smoke": smoke,
    }


def commit() -> str:
    """The commit of this checkout, with a mark of what was changed since."""
    if GIVEN.is_file():
        return GIVEN.read_text().strip()
    try:
        head = _git("rev-parse", "--short=12", "HEAD").strip()
        changes = _git("diff", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    mark = hashlib.sha256(changes.encode()).hexdigest()[:6]
    return f"{head}, changed ({mark})" if changes else head


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
