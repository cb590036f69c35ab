"""A logger for imtrans that writes down what a training spends its time on.

`facades` brings it as a plugin of its own, so that the command is timed as it is.
"""

import json
from collections import Counter
from time import perf_counter, time

from imtrans.api.hookspecs import hookimpl
from imtrans.api.listener import Listener

FILE = "stopwatch.jsonl"  # in the run's folder, a line for each session


@hookimpl
def register_loggers(register):
    register("stopwatch", Stopwatch)


class Stopwatch(Listener):
    """Counts the time since the last event for the event that ends it.

    A GPU works behind the host: what first waits for it, at most `train.log_every` steps later,
    is charged with what was left to do.
    """

    def __init__(self, run_dir, recipe):
        self.file = run_dir / FILE
        self.seconds, self.counts = Counter(), Counter()
        self.waited, self.read = 0.0, 0

    def begun(self, at):
        self.began, self.first, self.last = time(), at.step, perf_counter()
        self.read = at.step

    def stepped(self, at):
        self._passed("steps")

    def logged(self, at, reading):
        self._passed("reading losses")
        # Of the steps since the last reading, the time without what interrupted them.
        self.waited += reading.waiting * (at.step - self.read) / reading.steps_per_second
        self.read = at.step

    def validated(self, at, metrics, best_step):
        self._passed("validation")

    def sampled(self, at, grid):
        self._passed("previews")

    def saved(self, at, path):
        self._passed("checkpoints")

    def closed(self):
        found = {
            "began": self.began,
            "ended": time(),
            "seconds": dict(self.seconds),
            "counts": dict(self.counts),
            "waiting": self.waited,
        }
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")

    def _passed(self, what):
        now = perf_counter()
        self.seconds[what] += now - self.last
        self.counts[what] += 1
        self.last = now
