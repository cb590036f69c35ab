"""What a part is given: where and how large to measure, and how long."""

import gc
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from results import Results

from imtrans.host.devices import synchronize


@dataclass
class Work:
    """One part at work. `smoke`: in miniature, to see that it works."""

    part: str
    results: Results
    device: torch.device
    smoke: bool
    seconds: float  # that the part may take
    out: Path  # where it may write
    data: Path | None  # train/ and val/ of side-by-side pictures; None: drawn pairs
    whole: bool = True  # whether all was measured
    begun: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds that the part may still take."""
        return self.seconds - (time.monotonic() - self.begun)

    @property
    def continued(self) -> bool:
        """Whether an earlier call has begun this part, in the same place."""
        return bool(self.results.parts[self.part]["continued"])

    def say(self, line: str) -> None:
        print(f"  {line}", flush=True)

    def record(self, name: str, value: object) -> None:
        self.results.put(self.part, name, value)

    def leave_out(self, what: str) -> None:
        """Something is not measured, and another call would not change that."""
        self.say(f"left out: {what}")
        self.results.leave_out(self.part, what)

    def put_off(self, what: str) -> None:
        """The minutes are used: the next call measures it."""
        self.whole = False
        self.leave_out(f"{what}: the minutes were used; the same command goes on with it")

    def take(self, measurements: Mapping[str, Callable[[], object]]) -> None:
        """Record each, unless an earlier call has; one that fails does not stop the others."""
        for name, measure in measurements.items():
            if name in self.results.parts[self.part]["results"]:
                self.say(f"{name}: measured by an earlier call")
            elif self.left() <= 0:
                self.put_off(name)
            else:
                self.say(f"{name} ...")
                self.attempt(name, measure)

    def attempt(self, name: str, measure: Callable[[], object]) -> None:
        """Record what this finds, or its error."""
        try:
            self.record(name, measure())
        except PutOff as reason:
            self.put_off(f"{name} ({reason})")
        except Exception as error:
            line = next(iter(str(error).splitlines()), "")
            self.say(f"{name} failed: {type(error).__name__}: {line}")
            self.results.fail(self.part, name, "".join(traceback.format_exception(error)[-4:]))
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def wait(self) -> None:
        """Return when the device has finished everything it was given."""
        synchronize(self.device)


class PutOff(Exception):
    """The minutes ended before a measurement did; the next call goes on with it."""
