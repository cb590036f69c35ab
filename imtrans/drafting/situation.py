"""What the rules of a plan read: the set, the machine, the time that is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import median
from typing import Any

from imtrans.drafting.chirality import FEWEST, Chirality
from imtrans.drafting.machine import Cost, Machine
from imtrans.drafting.sample import SideSample
from imtrans.host.words import size

JITTER = 1.117  # load_size / crop_size of the paper, 286 / 256
NEARLY = 0.875  # of a crop size: pictures that are enlarged by so little are not harmed
STRIDE = 4  # of the generator for small pictures
SMALLEST = 16  # px
SQUARE = 1.1  # width / height up to which a picture counts as square
MUCH = 2.0  # times load_size: then detail is lost
HANDED = {"left", "right", "l", "r"}  # names of sides that mirroring would exchange
SHARE = 0.9  # of the hours for steps; the rest for reading, validation and samples


@dataclass(frozen=True)
class Situation:
    """Of one folder on one machine. `facts[key]` is what a rule has chosen for a key already."""

    pairs: int  # to train on; with those that will be kept for validation, if no split is there
    names: tuple[str, str]  # of the source and the target
    source: SideSample
    target: SideSample
    derived: str = ""  # what makes the source, if there are targets alone
    validation: str = ""  # the split that is there
    machine: Machine = Machine()
    hours: float | None = None  # that the training may take
    shrunk: int = 0  # how far the network is made smaller than it would be, so that it fits
    parts: int = 1  # of a batch, so that memory suffices
    cost: Cost | None = None  # of a step, once it was measured
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.chosen.get(key)

    def having(self, key: str, value: Any) -> "Situation":
        """These facts, once a rule has chosen."""
        return replace(self, chosen={**self.chosen, key: value})

    # --- sizes ---

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        return self.target.sizes

    @property
    def shortest(self) -> int:
        """px: the shorter side of most files."""
        return int(median(map(min, self.sizes))) if self.sizes else 0

    @property
    def elongated(self) -> bool:
        return bool(self.sizes) and median(max(s) / min(s) for s in self.sizes) > SQUARE

    @property
    def fitting(self) -> int:
        """px: a crop that small files have, in multiples of the stride."""
        return max(SMALLEST, min(64, self.shortest // STRIDE * STRIDE))

    @property
    def jittered(self) -> int:
        return round(self.crop * JITTER)

    @property
    def crop(self) -> int:
        return int(self["data.crop_size"])

    @property
    def as_they_are(self) -> bool:
        """Whether every file looked at is just what the network sees."""
        return all(size == (self.crop, self.crop) for size in self.sizes)

    @property
    def detail(self) -> str:
        """What is lost by making the files smaller, if it is much."""
        lost = self.shortest / self.jittered
        if lost <= MUCH:
            return ""
        return f". they are shrunk {lost:.1f} times: a larger load_size keeps more detail"

    @property
    def listed(self) -> str:
        """The sizes of the files, in words."""
        widths, heights = zip(*self.sizes, strict=True)
        if len(set(self.sizes)) == 1:
            return f"{widths[0]} x {heights[0]}"
        return f"{min(widths)} ... {max(widths)} wide, {min(heights)} ... {max(heights)} high"

    @property
    def cached(self) -> int:
        """Bytes of all pairs, decoded and resized."""
        load = self["data.load_size"] or self.crop
        long = median(max(s) / min(s) for s in self.sizes) if self["data.resize"] else 1
        deep = sum(side.bytes_of_a_pixel for side in (self.source, self.target))
        return int(self.pairs * load * load * long * deep)

    @property
    def shown_cache(self) -> str:
        return size(self.cached)

    @property
    def room(self) -> bool:
        """Whether half of the free disk holds the cache."""
        return self.machine.disk is None or 2 * self.cached < self.machine.disk

    # --- what the pictures are ---

    @property
    def handed(self) -> bool:
        """Whether the sides are called left and right."""
        return {name.lower() for name in self.names} <= HANDED

    @property
    def chirality(self) -> Chirality:
        """How many pictures differ from their mirrored copies, on the side that shows it best."""
        return max(self.source.chirality, self.target.chirality, key=lambda one: one.share)

    @property
    def alike(self) -> str:
        """Why pictures may be mirrored, in words."""
        if self.chirality.of < FEWEST:
            return "too few pictures to see whether left and right differ"
        right, of = self.chirality
        return f"{right} of {of} pictures could be distinguished from theirs, half are by guessing"

    @property
    def labels_in(self) -> bool:
        return len(self.source.palette) > 2

    @property
    def labels_out(self) -> bool:
        return bool(self.target.palette) and self.derived != "lab"

    # --- how long ---

    @property
    def trained_on(self) -> int:
        """Pairs to train on, without those that are kept for validation."""
        share = self["data.validation"]
        return self.pairs - round(self.pairs * share) if isinstance(share, float) else self.pairs

    @property
    def batches(self) -> int:
        """Steps in an epoch."""
        images = self["train.batch_size"] * (self["train.accumulate"] or 1)
        return max(1, -(-self.trained_on // images))

    @property
    def affordable(self) -> int | None:
        """Epochs that the hours allow; None where they were not given, or no step was measured."""
        if self.hours is None or self.cost is None or not self.cost.seconds:
            return None
        return int(SHARE * 3600 * self.hours / (self.cost.seconds * self.batches))

    @property
    def shown(self) -> int:
        """Pairs in all epochs."""
        return int(self["train.epochs"]) * self.trained_on

    @property
    def steps(self) -> int:
        return int(self["train.epochs"]) * self.batches

    @property
    def seconds(self) -> float | None:
        """Of the whole training."""
        if self.cost is None or self.cost.seconds is None:
            return None
        return self.cost.seconds * self.steps / SHARE
