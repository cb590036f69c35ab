"""Kill trainings hundreds of times, and report: `python tests/soak.py --kills 300 [--seed N]`.

Each run of a cell is killed at random instants, started again, killed again, until it ends; then
it is compared with an uninterrupted run. Ends with exit code 1 at any mismatch.
"""

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "given"))

from drawn import write_pairs
from killing import CELLS, PHASES, Trainer, command, differences, traces

SITTINGS = 40  # of one run; a run that needs more makes no progress, which is a mismatch too


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    begun = time.monotonic()
    with TemporaryDirectory(prefix="soak") as folder, Trainer() as trainer:
        soak = Soak(Path(folder), trainer, random.Random(wanted.seed))
        while soak.kills.total() < wanted.kills:
            for cell in CELLS:
                soak.run(cell)
                if soak.kills.total() >= wanted.kills:
                    break
        return soak.report(wanted.seed, time.monotonic() - begun)


class Soak:
    """Runs that are killed, and what is counted of them."""

    def __init__(self, folder: Path, trainer: Trainer, draw: random.Random) -> None:
        self.folder, self.trainer, self.draw = folder, trainer, draw
        self.kills: Counter[str] = Counter()  # by phase
        self.runs: Counter[str] = Counter()  # by cell
        self.restarts = 0
        self.mismatches: list[str] = []
        self._whole: dict[str, tuple[dict[str, Any], float]] = {}
        write_pairs(folder / "pairs" / "train", 6)
        write_pairs(folder / "pairs" / "val", 2)

    def run(self, cell: str) -> None:
        """Train once, with kills, and compare."""
        expected, seconds = self._uninterrupted(cell)
        name, run_dir = f"run {self.runs.total() + 1} ({cell})", self.folder / "run"
        start = command(self.folder / "pairs", cell, run_dir)
        self.runs[cell] += 1
        for sitting in range(SITTINGS):
            # Most often soon, so that starts are killed too; now and then later than the end.
            end = self.trainer.run(start, after=self.draw.uniform(0, 1.2) ** 2 * seconds)
            self.restarts += sitting > 0
            if end["code"] != -9:
                break
            self.kills[end["phase"]] += 1
        else:
            self.restarts += 1
            end = self.trainer.run(start)
        if end["code"] != 0 or "Traceback" in end["out"]:
            self._mismatch(f"{name}: exit code {end['code']}: {end['out'][-500:]}")
        for told in differences(run_dir, expected):
            self._mismatch(f"{name}: {told}")
        for left in (run_dir, self.folder / "run.caches"):
            shutil.rmtree(left, ignore_errors=True)

    def _uninterrupted(self, cell: str) -> tuple[dict[str, Any], float]:
        if cell not in self._whole:
            run_dir = self.folder / f"whole {len(self._whole)}"
            end = self.trainer.run(command(self.folder / "pairs", cell, run_dir))
            if end["code"] != 0:
                sys.exit(f"an uninterrupted training failed ({cell}): {end['out']}")
            self._whole[cell] = traces(run_dir), end["seconds"]
        return self._whole[cell]

    def _mismatch(self, told: str) -> None:
        print(told, flush=True)
        self.mismatches.append(told)

    def report(self, seed: int, seconds: float) -> int:
        """Print the counts; returns the exit code."""
        print(f"seed {seed}: {self.kills.total()} kills in {seconds:.0f} s")
        for phase in PHASES:
            print(f"  {self.kills[phase]:5} while {phase}")
        runs = ", ".join(f"{count} {cell}" for cell, count in self.runs.items())
        print(f"{self.runs.total()} runs ({runs}), {self.restarts} restarts")
        print(f"{len(self.mismatches)} mismatches")
        return 1 if self.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
