"""What a sweep keeps beside its runs, so that it goes on as it began: SWEEP/sweep.json."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.host.files import make_folders, write_whole
from imtrans.host.foreign import reading
from imtrans.host.locks import Locked, locked
from imtrans.recipe.schema import Recipe
from imtrans.runs.journal import unwritable
from imtrans.runs.run_dir import binding
from imtrans.sweeping.timing import StepTime

FILE, LOCK = "sweep.json", ".lock"
# Of [train], what no step's time depends on.
UNTIMED = ("epochs", "schedule", "decay_from", "decay_every", "decay_factor", "warm_up")


@dataclass(frozen=True)
class KeptTime:
    """The time of a variant's step, of which recipes it is, and on what it was measured."""

    time: StepTime
    of: str
    first: str
    device: str

    def fits(self, recipe: Recipe, first: Recipe) -> bool:
        return (self.of, self.first) == (timed_sum(recipe), timed_sum(first))


@dataclass
class KeptTimes:
    """What was found out before the first training."""

    first: str = ""  # the name of the variant that others are equal to
    times: dict[str, KeptTime] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ImtransError when the file is damaged."""
        path = folder / FILE
        if not path.exists():
            return cls()
        with reading(path, "damaged; remove it, and steps are measured again"):
            found = json.loads(path.read_text(encoding="utf-8"))
            times = {
                str(name): KeptTime(**{**one, "time": StepTime(**one["time"])})
                for name, one in found["times"].items()
            }
            return cls(str(found["first"]), times)

    def write(self, folder: Path) -> None:
        """Raises ImtransError when it cannot be written."""
        times = {name: asdict(one) for name, one in self.times.items()}
        facts: dict[str, Any] = {"imtrans": imtrans.__version__, "first": self.first}
        text = json.dumps(facts | {"times": times}, indent=1)
        try:
            make_folders(folder)
            write_whole(folder / FILE, text.encode())
        except OSError as error:
            raise unwritable(folder / FILE, error) from error


def timed_sum(recipe: Recipe) -> str:
    """Equal for recipes whose steps take equally long."""
    values = binding(recipe) | {"engine": recipe.train.engine, "compile": recipe.train.compile}
    values["train"] = {k: v for k, v in values["train"].items() if k not in UNTIMED}
    text = json.dumps({k: v for k, v in values.items() if k != "seed"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def alone_in_sweep(folder: Path) -> Iterator[None]:
    """Let no other process run a sweep in its folder. Raises ImtransError when one does."""
    try:
        with locked(folder / LOCK):
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)
                with suppress(OSError):
                    folder.rmdir()  # where nothing came of it
    except Locked as error:
        if str(folder / LOCK) not in str(error):
            raise
        raise ImtransError(
            f"{folder}: another process runs a sweep there. wait for it, stop it, or choose "
            "another --runs"
        ) from error
