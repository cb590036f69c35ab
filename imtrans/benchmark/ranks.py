"""`imtrans bench ranks`: training steps of one rank, and of all together, in turns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

import imtrans
from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.benchmark.scaling import LINKS, RANKS, Scaling
from imtrans.benchmark.subject import Say, Subject, build, waiting_for
from imtrans.benchmark.training import hardware
from imtrans.host.devices import synchronize
from imtrans.host.group import Group, alone
from imtrans.task import Task
from imtrans.training.step.engine import choose_engine


@dataclass(frozen=True)
class RanksReport:
    """Steps of a recipe by several ranks at once, in seconds; of one rank there is `one` alone.

    `each`: all ranks compute at once, and average nothing; `together`: as training does it;
    `averaging`: the means alone. `scaling` is what all ranks together do in the time in which one
    rank does 1.
    """

    imtrans: str  # version
    torch: str  # version
    device: str
    hardware: str
    recipe: str
    engine: str
    batch: int  # images of one rank's step
    ranks: int
    bytes: int  # of the gradients of a step
    one: Spread
    each: Spread | None = None
    together: Spread | None = None
    averaging: Spread | None = None
    scaling: Spread | None = None


class RanksBench:
    """Measures a task's step on the ranks of a group. All ranks call the same methods."""

    def __init__(self, task: Task, group: Group, device: torch.device, say: Say) -> None:
        self.task, self.group, self.device = task, group, device
        engine = choose_engine(task.recipe.train, device)
        self.subject: Subject = build(task, engine, say)
        self.step = self.subject.stepper.step
        self.bytes = sum(
            parameter.numel() * 4 * phase.times
            for phase in self.step.phases
            for parameter in self.step.optimizers[phase.name].parameters
        )

    def run(self, name: str, rounds: int) -> RanksReport:
        """Raises RuntimeError when the step cannot be computed."""
        variants: dict[str, Callable[[], object]] = {"one": self._one}
        if not self.group.alone:
            self._flat = torch.zeros(self.bytes // 4, device=self.device)
            variants |= {"each": self._each, "together": self._together, "mean": self._mean}
        seconds = self._timed(variants, rounds)
        spreads = {name: Spread.of(times) for name, times in seconds.items()}
        both = "one" in seconds and "together" in seconds
        return RanksReport(
            imtrans.__version__,
            torch.__version__,
            str(self.device),
            hardware(self.device),
            name,
            str(self.step.engine),
            self.task.recipe.train.batch_size,
            self.group.rank.of,
            self.bytes,
            spreads["one"],
            spreads.get("each"),
            spreads.get("together"),
            spreads.get("mean"),
            ratio(seconds["one"], seconds["together"]).scaled(self.group.rank.of) if both else None,
        )

    def _timed(
        self, variants: Mapping[str, Callable[[], object]], rounds: int
    ) -> dict[str, list[float]]:
        """Seconds of each variant in each round. Ranks call each equally often, or the means would
        wait: each call of a variant is one that rank 0 decides on."""
        wait = waiting_for(self.device)
        if self.group.alone:
            return in_turns(variants, rounds, wait)
        names = list(variants)
        if not self.group.leads:
            while (name := self.group.from_first("")) in variants:
                variants[name]()
                synchronize(self.device)
            return {name: [1.0] * rounds for name in names}

        def asked(name: str) -> Callable[[], object]:
            def call() -> None:
                self.group.from_first(name)
                variants[name]()
                synchronize(self.device)

            return call

        found = in_turns({name: asked(name) for name in names}, rounds, wait)
        self.group.from_first("done")
        return found

    def _one(self) -> None:
        if self.group.leads:
            self._step(alone())

    def _each(self) -> None:
        self._step(alone())

    def _together(self) -> None:
        self._step(self.group)

    def _step(self, group: Group) -> None:
        if self.step.group is not group and not (group.alone and self.step.group.alone):
            self.step.join(group, lambda line: None)
        self.subject.step()

    def _mean(self) -> None:
        self.group.average(self._flat)


def ranks_lines(report: RanksReport, step: float | None = None) -> Iterator[str]:
    """The report as lines of text, and what it lets expect of more ranks, with steps of `step`
    seconds instead of those measured."""
    yield f"{report.hardware}; {report.device}; torch {report.torch}, imtrans {report.imtrans}"
    yield (
        f"{report.recipe}, {report.engine}, batch {report.batch} on each rank; gradients of "
        f"{report.bytes / 1e6:.0f} MB"
    )
    for what, spread in (
        ("one rank, the others idle", report.one),
        (f"{report.ranks} ranks, each by itself", report.each),
        (f"{report.ranks} ranks, averaging", report.together),
        ("the averaging alone", report.averaging),
    ):
        if spread:
            low, high = spread.low * 1e3, spread.high * 1e3
            yield f"  {what:<28} {spread.median * 1e3:>8.1f} ms  ({low:.1f} - {high:.1f})"
    if report.scaling:
        gain = report.scaling
        between = f"{gain.low:.2f} - {gain.high:.2f}"
        yield f"  {report.ranks} ranks do {gain.median:.2f} times the work of one ({between})"
    yield from _expected(Scaling(report.bytes, step or report.one.median))


def _expected(scaling: Scaling) -> Iterator[str]:
    yield (
        f"calculated for steps of {scaling.step * 1e3:.0f} ms: times the work of one rank, and ms "
        "of averaging"
    )
    yield "  " + " " * 20 + "".join(f"{f'{n} ranks':>15}" for n in RANKS) + "   half pays up to"
    for link, rate in LINKS.items():
        cells = (
            f"{n * scaling.efficiency(n, rate):.1f} ({scaling.averaging(n, rate) * 1e3:.0f} ms)"
            for n in RANKS
        )
        most = scaling.pays_up_to(rate)
        yield f"  {link:<20}" + "".join(f"{cell:>15}" for cell in cells) + f"{most:>18}"
