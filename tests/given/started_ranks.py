"""Starts imtrans as torchrun does: several processes on this machine, which find each other."""

import os
import subprocess
import sys
from pathlib import Path

MORE_THAN_ENOUGH = 120  # seconds


def torchrun(folder: Path, ranks: int, *arguments: object) -> tuple[int, str, str]:
    """Call the command line in a folder, in each of so many ranks; returns torchrun's exit code,
    and what all of them printed."""
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    found = subprocess.run(
        [sys.executable, *start, "-m", "imtrans", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=MORE_THAN_ENOUGH,
    )
    return found.returncode, found.stdout, found.stderr
