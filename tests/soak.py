"""Kill trainings hundreds of times, and report: `python tests/soak.py --kills 300 [--seed N]`.

Each run of a cell is killed, started again, killed again, until it ends; then it is compared with
an uninterrupted run. The first kill of a run is at a file operation, first at each kind of them and
then at all others; the later ones are at any operation, or after any time. Ends with exit code 1 at
any mismatch.
"""

import argparse
import random
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent / "given"))

from cells import CELLS
from killing import KILLED, End, Runner, Stage
from operations import Instant, Operation, instants, one_of_each
from traces import differences

SESSIONS = 40  # of one run; a run that needs more makes no progress, which is a mismatch too
# What a run is doing, by the last operation that it began; the first that fits.
PHASES = {
    "caching": "caches/",
    "removing a checkpoint": r"run/checkpoints/\.step_N\.gone",
    "keeping the best generator": "run/checkpoints/.?best",
    "writing a checkpoint": "run/checkpoints/",
    "sampling": "run/samples/",
    "logging": "append run/metrics",
    "validating": "append run/validation",
    "beginning": "",
}
STARTING = "starting"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cell", action="append", choices=CELLS, help="all of them by default")
    wanted = parser.parse_args()
    begun = time.monotonic()
    with TemporaryDirectory(prefix="soak") as folder, Runner() as runner:
        soak = Soak(Stage(Path(folder), runner), random.Random(wanted.seed))
        cells = wanted.cell or list(CELLS)
        while soak.kills.total() < wanted.kills:
            soak.run(cells[soak.runs.total() % len(cells)])
        return soak.report(wanted.seed, time.monotonic() - begun)


class Soak:
    """Runs that are killed, and what is counted of them."""

    def __init__(self, stage: Stage, draw: random.Random) -> None:
        self.stage, self.draw = stage, draw
        self.kills: Counter[str] = Counter()  # by phase
        self.kinds: Counter[str] = Counter()  # by the pattern of the last operation
        self.runs: Counter[str] = Counter()  # by cell
        self.restarts = 0
        self.mismatches: list[str] = []
        self._first: dict[str, Iterator[Instant]] = {}

    def run(self, cell: str) -> None:
        """Run to the end, with kills, and compare."""
        whole = self.stage.whole(cell)
        start = self.stage.start(cell, self.stage.folder / "place")
        name = f"run {self.runs.total() + 1} ({cell})"
        self.runs[cell] += 1
        for session in range(SESSIONS):
            end = self.stage.runner.run(start, **self._kill(cell, session))
            self.restarts += session > 0
            if end.code != KILLED:
                break
            self._count(end)
        else:
            self.restarts += 1
            end = self.stage.runner.run(start)
        if (end.code, end.err) != (0, ""):
            self._mismatch(f"{name}: exit code {end.code}: {end.out[-500:]}{end.err}")
        for told in differences(start.run, whole.traces):
            self._mismatch(f"{name}: {told}")
        shutil.rmtree(start.place)

    def _kill(self, cell: str, session: int) -> dict[str, object]:
        """Where a session of a run is killed."""
        end = self.stage.whole(cell).end
        if session == 0:
            if cell not in self._first:
                self._first[cell] = self._deck(end.operations)
            return next(self._first[cell]).order()
        # Most often soon, so that starts are killed too; now and then later than the end.
        soon = self.draw.uniform(0, 1.2) ** 2
        if self.draw.random() < 0.5:
            return {"after": soon * end.seconds}
        found = list(instants(end.operations))
        return found[min(int(soon * len(found)), len(found) - 1)].order()

    def _deck(self, operations: list[Operation]) -> Iterator[Instant]:
        """One instant of each kind, then all in any order, again and again."""
        found = one_of_each(instants(operations), self.draw.randrange(1000))
        while True:
            yield from self.draw.sample(found, len(found))
            found = list(instants(operations))

    def _count(self, end: End) -> None:
        pattern = end.operations[-1].pattern if end.operations else ""
        fitting = [phase for phase, part in PHASES.items() if re.search(part, pattern)]
        self.kills[fitting[0] if pattern else STARTING] += 1
        self.kinds[pattern] += 1

    def _mismatch(self, told: str) -> None:
        print(told, flush=True)
        self.mismatches.append(told)

    def report(self, seed: int, seconds: float) -> int:
        """Print the counts; returns the exit code."""
        print(f"seed {seed}: {self.kills.total()} kills in {seconds:.0f} s")
        for phase in (STARTING, *PHASES):
            print(f"  {self.kills[phase]:5} while {phase}")
        print(f"at {len(self.kinds)} kinds of file operations")
        runs = ", ".join(f"{count} {cell}" for cell, count in self.runs.items())
        print(f"{self.runs.total()} runs ({runs}), {self.restarts} restarts")
        print(f"{len(self.mismatches)} mismatches")
        return 1 if self.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
