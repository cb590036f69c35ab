"""The results of `imtrans bench train` as values; times in ms, memory in bytes."""

from dataclasses import dataclass, field

from imtrans.benchmark.data_sets import SetCost
from imtrans.benchmark.loader_timing import LoaderTiming
from imtrans.benchmark.profiling import Profile
from imtrans.benchmark.rounds import Spread
from imtrans.recipe.sizes import Sides


@dataclass(frozen=True)
class Setting:
    """What was measured, and on what machine."""

    imtrans: str  # version
    torch: str  # version
    device: str
    hardware: str
    cores: int
    threads: int
    recipe: str
    networks: str
    image_size: int | Sides  # px
    engines: dict[str, str]  # plain, fast: as chosen for this device
    precisions: dict[str, str]  # of plain and fast, as the device computes them
    matrix_rates: dict[str, float]  # FLOP/s by precision


@dataclass(frozen=True)
class Variant:
    """The steps of one engine."""

    engine: str  # that ran: a simpler one where a network fails with the one chosen
    ms: Spread  # per step
    images_per_second: float
    peak_memory: int | None
    flops_per_second: float
    of_matrix_rate: float  # share of the matrix rate in this precision


@dataclass(frozen=True)
class BatchResult:
    """plain and fast in turns on one batch on the device; and fast on batches from the loader."""

    batch: int
    rounds: int
    flops: int  # of a step
    plain: Variant
    fast: Variant
    ratio: Spread  # time of plain / time of fast: above 1, fast is faster
    loader: LoaderTiming | None


@dataclass(frozen=True)
class SizeResult:
    """The fast engine at another image size (px), batch 1."""

    size: int
    engine: str
    ms: Spread
    images_per_second: float
    peak_memory: int | None


@dataclass(frozen=True)
class Skipped:
    """Something that was not measured, and the reason."""

    what: str
    why: str


Result = BatchResult | SizeResult | SetCost | Profile | Skipped


@dataclass
class Report:
    """All results of one benchmark."""

    setting: Setting
    batches: list[BatchResult] = field(default_factory=list)
    sizes: list[SizeResult] = field(default_factory=list)
    data_sets: list[SetCost] = field(default_factory=list)
    profile: Profile | None = None
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, result: Result) -> None:
        match result:
            case BatchResult():
                self.batches.append(result)
            case SizeResult():
                self.sizes.append(result)
            case SetCost():
                self.data_sets.append(result)
            case Profile():
                self.profile = result
            case Skipped():
                self.skipped.append(result)
