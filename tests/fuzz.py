"""Damage images at random and read them in every way: `python tests/fuzz.py --files 10000`.

Each file goes through its header, four ways of reading, `translate` and `data check`. Ends with
exit code 1 when anything but ImtransError comes out, when one file takes over 5 s of a processor,
or when the process ever has more than 1.5 GB in memory.
"""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "given"))

import torch
from fuzzing import Fuzz

from imtrans.host.machine import process_memory

SECONDS, BYTES = 5.0, 1_500_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="fuzz") as folder:
        fuzz = Fuzz(Path(folder))
        fuzz.run(wanted.files, wanted.seed)
    peak = process_memory().peak or 0
    for line in fuzz.wrong:
        print(line)
    print(
        f"seed {wanted.seed}: {wanted.files} files, {fuzz.read} reads, {fuzz.refused} refusals, "
        f"{len(fuzz.wrong)} wrong; the slowest took {fuzz.slowest:.1f} s ({fuzz.slow}); "
        f"{peak / 1e6:.0f} MB at the peak"
    )
    return 1 if fuzz.wrong or fuzz.slowest > SECONDS or peak > BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
