"""`imtrans bench train`: the plain engine against the fast one, and the cost of larger sizes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

import imtrans
from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.pictures import Pair
from imtrans.benchmark.data_sets import DRAWN, drawn, set_cost
from imtrans.benchmark.loader_timing import SECONDS, LoaderTiming, time_loader
from imtrans.benchmark.memory import peak, release
from imtrans.benchmark.own_process import NoMemory
from imtrans.benchmark.profiling import Profile, take_profile
from imtrans.benchmark.rates import flops_of, matrix_rate
from imtrans.benchmark.results import BatchResult, Result, Setting, SizeResult, Skipped, Variant
from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.benchmark.subject import Subject, build, engines, resized, waiting_for
from imtrans.host.devices import computing, free_memory
from imtrans.host.machine import cores, cpu_name
from imtrans.host.words import size as as_size
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.reading import described
from imtrans.recipe.schema import Recipe
from imtrans.task import Task

StoredPairs = tuple[Recipe, Sequence[Pair], str]  # a recipe, its pairs, and a description of them


@dataclass(frozen=True)
class BenchOptions:
    """What to measure."""

    batches: Sequence[int] = (1, 4, 16)  # batch sizes
    sizes: Sequence[int] = ()  # image sizes, px
    pairs: Sequence[int] = ()  # sizes of data sets
    profile: bool = False
    rounds: int = 7


class Bench:
    """Measures a recipe on a device; `say` receives warnings."""

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        device: torch.device,
        options: BenchOptions,
        say: Callable[[str], None],
    ) -> None:
        self.recipe = resized(recipe, batch=recipe.train.batch_size)
        self.catalog, self.device = catalog, device
        self.options, self.say = options, say
        self.engines = engines(self.recipe, device)
        self.wait = waiting_for(device)
        self.profile: Profile | None = None  # of the first batch size

    def setting(self, name: str) -> Setting:
        """What is measured, and on what. Raises ImtransError if the recipe cannot be built."""
        recipe = self.recipe
        method = Task(recipe, self.catalog).method(self.device)
        count = sum(parameter.numel() for parameter in method.parameters())
        self.precisions = {name: engine.arithmetic for name, engine in self.engines.items()}
        self.rates = {each: matrix_rate(self.device, each) for each in self.precisions.values()}
        return Setting(
            imtrans.__version__,
            torch.__version__,
            str(self.device),
            hardware(self.device),
            cores(),
            torch.get_num_threads(),
            name,
            f"{described(recipe)}, {count:,} parameters",
            recipe.data.crop_size,
            {name: str(engine) for name, engine in self.engines.items()},
            self.precisions,
            self.rates,
        )

    def run(self) -> Iterator[Result]:
        """Each result as soon as it is measured; call `setting` first."""
        with computing(deterministic=self.recipe.train.deterministic):
            with self._stored() as (stored, why):
                if why:
                    yield Skipped("batches from the loader", why)
                yield from self._batches(stored)
            yield from self._sizes()
            for count in self.options.pairs:
                recipe = resized(self.recipe, batch=1)
                yield set_cost(recipe, self.catalog, count, str(self.device))
        if self.profile:
            yield self.profile

    @contextmanager
    def _stored(self) -> Iterator[tuple[StoredPairs | None, str]]:
        """The recipe's pairs, or drawn ones, or the reason why there are none."""
        with ExitStack() as stack:
            stored, why = None, ""
            try:
                stored = self.recipe, Task(self.recipe, self.catalog).pairs, "its pairs"
            except ImtransError as missing:
                try:
                    recipe = stack.enter_context(drawn(self.recipe, DRAWN))
                    stored = recipe, Task(recipe, self.catalog).pairs, "drawn pairs"
                except ImtransError as error:
                    why = f"{missing}; {error}"
            yield stored, why

    def _batches(self, stored: StoredPairs | None) -> Iterator[Result]:
        for batch in self.options.batches:
            try:
                yield self._batch(batch, stored)
            except (NoMemory, RuntimeError, MemoryError) as error:
                if not isinstance(error, NoMemory) and not is_out_of_memory(error):
                    raise
                yield Skipped(f"batch {batch} and larger", f"not enough memory ({_line(error)})")
                return

    def _batch(self, batch: int, stored: StoredPairs | None) -> BatchResult:
        recipe = resized(self.recipe, batch=batch)
        # First, and in separate processes: if memory runs out, they are killed and not this one.
        peaks = {name: peak(recipe, name, self.device) for name in self.engines}
        self._check_that_both_fit(peaks)
        subjects = {
            name: build(Task(recipe, self.catalog), engine, self.say)
            for name, engine in self.engines.items()
        }
        flops = flops_of(subjects["plain"].step)
        calls = {name: subject.step for name, subject in subjects.items()}
        seconds = in_turns(calls, self.options.rounds, self.wait)
        plain, fast = (
            self._variant(subjects[name], name, seconds[name], flops, peaks[name])
            for name in ("plain", "fast")
        )
        fast_subject = subjects["fast"]
        del subjects, calls
        release(self.device)
        loader = self._loader(batch, stored, fast_subject) if stored else None
        spread = ratio(seconds["plain"], seconds["fast"])
        if self.options.profile and not self.profile:
            self.profile = take_profile(fast_subject, flops, self._rate(fast_subject))
        return BatchResult(batch, self.options.rounds, flops, plain, fast, spread, loader)

    def _variant(
        self, subject: Subject, name: str, seconds: list[float], flops: int, peak: int | None
    ) -> Variant:
        spread = Spread.of(seconds)
        rate = flops / spread.median
        return Variant(
            str(subject.engine),
            spread.scaled(1000),
            len(subject.batch.source) / spread.median,
            peak,
            rate,
            rate / self._rate(subject),
        )

    def _rate(self, subject: Subject) -> float:
        arithmetic = subject.engine.arithmetic  # a simpler one may be used than was chosen
        if arithmetic not in self.rates:
            self.rates[arithmetic] = matrix_rate(self.device, arithmetic)
        return self.rates[arithmetic]

    def _loader(self, batch: int, stored: StoredPairs, subject: Subject) -> LoaderTiming:
        recipe, pairs, description = stored
        sized = resized(recipe, batch=batch)
        return time_loader(sized, self.catalog, pairs, description, subject, SECONDS)

    def _check_that_both_fit(self, peaks: dict[str, int | None]) -> None:
        here, needed = free_memory(self.device), sum(peak or 0 for peak in peaks.values())
        if here is not None and needed > here:
            raise NoMemory(f"both engines need {as_size(needed)}, and {as_size(here)} are free")

    def _sizes(self) -> Iterator[Result]:
        for size in self.options.sizes:
            recipe = resized(self.recipe, batch=1, size=size)
            release(self.device)
            try:
                highest = peak(recipe, "fast", self.device)
                subject = build(Task(recipe, self.catalog), self.engines["fast"], self.say)
                calls = {"fast": subject.step}
                spread = Spread.of(in_turns(calls, self.options.rounds, self.wait)["fast"])
            except ImtransError as error:  # the networks do not accept every size
                yield Skipped(f"{size} px", str(error))
                continue
            except (NoMemory, RuntimeError, MemoryError) as error:
                if not isinstance(error, NoMemory) and not is_out_of_memory(error):
                    raise
                yield Skipped(f"{size} px and larger", f"not enough memory ({_line(error)})")
                return
            ms, rate = spread.scaled(1000), 1 / spread.median
            yield SizeResult(size, str(subject.engine), ms, rate, highest)


def hardware(device: torch.device) -> str:
    """The model name of the device, and the memory of a GPU."""
    if device.type != "cuda":
        return cpu_name() + (", mps" if device.type == "mps" else "")
    found = torch.cuda.get_device_properties(device)
    return f"{found.name}, {as_size(found.total_memory)}"


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
