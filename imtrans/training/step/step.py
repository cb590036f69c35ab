"""One step of any method, by the phases it declares.

The method says what is descended; this says how, for the plain engine and the fast one alike. Every
phase is the same few moves: freeze what it does not train, compute its terms, descend their sum.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from imtrans.api.method import Batch, Method, Phase, Term
from imtrans.api.passes import nested
from imtrans.host.group import Group, alone
from imtrans.host.words import counted
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.average import Averages
from imtrans.training.step.averaging import GradientMeans, average_statistics
from imtrans.training.step.contract import check_phases, check_terms
from imtrans.training.step.counting import counting_at_once
from imtrans.training.step.engine import Engine, batch_norms
from imtrans.training.step.optimizer import LoopAdam
from imtrans.training.step.shadows import Shadows, shadows_of
from imtrans.training.step.synced_norms import synchronised

Losses = dict[str, Tensor]


def _nothing(line: str) -> None:
    pass


def first_epochs(method: Method, epochs: int) -> list[int]:
    """The epochs from which on a method has other phases, and 1. It is left as it begins."""
    if type(method).at_epoch is Method.at_epoch:
        return [1]
    method.at_epoch(1)
    later = [epoch for epoch in range(2, epochs + 1) if method.at_epoch(epoch)]
    method.at_epoch(1)
    return [1, *later]


def never_trained(method: Method, epochs: int) -> str:
    """A line that names what translates and learns in none of so many epochs, where the phases of a
    method change with them; empty if all does."""
    if type(method).at_epoch is Method.at_epoch:
        return ""
    trained: set[int] = set()
    for epoch in first_epochs(method, epochs):
        method.at_epoch(epoch)
        phases = check_phases(method)
        trained |= {id(p) for phase in phases for m in phase.trains for p in m.parameters()}
    method.at_epoch(1)
    for translator, module in method.translators().items():
        parameters = (x for x in module.named_parameters() if x[1].requires_grad)
        idle = [name for name, parameter in parameters if id(parameter) not in trained]
        if idle:
            return (
                f"warning: of the translator '{translator}', '{idle[0]}' and {len(idle) - 1} other "
                f"parameters are not trained in {counted(epochs, 'epoch')}. raise train.epochs, or "
                "see the options of the method"
            )
    return ""


class Step:
    """Takes the steps of a method on an engine; holds its optimisers and averages.

    Raises ImtransError when the method's phases break their contract.
    """

    def __init__(self, method: Method, engine: Engine, train: TrainTable) -> None:
        self.method, self.engine, self.train = method, engine, train
        self.device = engine.device
        engine.prepare(method)
        self.averages = Averages(method, train.ema) if train.ema else None
        self.group = alone()
        self._say: Callable[[str], None] = _nothing
        self._norms: list[_BatchNorm] = []
        #: what the batch counts in the mean over ranks: 1 where all have equally many pairs, 0
        #: where it is another rank's
        self.weight = 1.0
        #: whether what is computed now counts at all, or only keeps this rank in time with others
        self.counts = True
        self._begin_phases()

    def join(self, group: Group, say: Callable[[str], None]) -> None:
        """Take the steps of all ranks together: gradients and running statistics are their means
        from now on, and the same on each."""
        assert group.alone or not self.engine.shadowed, "gradients of shadows are not averaged"
        self.group, self._say = group, say
        self._norms = [one for one in self.method.modules() if isinstance(one, _BatchNorm)]
        for phase in self.phases:
            self._average_gradients(phase)

    def _average_gradients(self, phase: Phase) -> None:
        adam = self.optimizers[phase.name]
        adam.averaging = None
        if not self.group.alone:
            adam.averaging = GradientMeans(
                self.group, phase.name, adam.names, adam.parameters, self._say
            )

    def _begin_phases(self) -> None:
        self.phases = check_phases(self.method)
        self.optimizers: dict[str, LoopAdam] = {}
        for phase in self.phases:
            rate = self.train.learning_rate * phase.rate
            self.optimizers[phase.name] = self.engine.adam(self._trained(phase), rate, self.train)
            self._average_gradients(phase)
        self._frozen = {phase.name: self._others(phase) for phase in self.phases}
        self._shadows: Shadows | None = None  # of phases that are no more, if there were any
        self._make: Callable[[Batch], Any] = self.method
        self._loss = {phase.name: phase.loss for phase in self.phases}
        if self.engine.compiled == "phases":
            self._make = torch.compile(self.method)
            self._loss = {name: torch.compile(loss) for name, loss in self._loss.items()}

    def _trained(self, phase: Phase) -> dict[str, nn.Parameter]:
        """The parameters of a phase, by their names in the method; what a component has frozen
        stays so."""
        own = {id(p) for module in phase.trains for p in module.parameters()}
        named = self.method.named_parameters()
        return {name: p for name, p in named if id(p) in own and p.requires_grad}

    def _others(self, phase: Phase) -> list[nn.Parameter]:
        own = {id(parameter) for parameter in self.optimizers[phase.name].parameters}
        return [p for p in self.method.parameters() if id(p) not in own and p.requires_grad]

    def begin_epoch(self, epoch: int) -> bool:
        """Whether the method has other phases from this epoch on; their optimisers are new then."""
        if not self.method.at_epoch(epoch):
            return False
        self._begin_phases()
        return True

    def __call__(self, batch: Batch) -> Losses:
        """One step on a batch: each phase in its turn.

        Returns each term as a scalar still on the device, unweighted. Nothing here waits for it.
        """
        batch = self.engine.laid_out(batch)
        with self.computing(batch):
            made = self.make(batch)
            losses: Losses = {}
            for phase in self.phases:
                for _ in range(phase.times):
                    with self.only(phase):
                        total, terms = self.loss(phase, batch, made)
                        self.optimizers[phase.name].descend(total)
                losses |= terms
        self.follow()
        return losses

    def follow(self) -> None:
        """After the last phase of a step: what follows the weights. Work for the device alone."""
        if not self.group.alone:
            average_statistics(self.group, self._norms, self.weight)
        if self.averages:
            self.averages.follow()

    @contextmanager
    def computing(self, batch: Batch) -> Iterator[None]:
        """Where forward and backward passes are computed as the engine has it."""
        with ExitStack() as stack:
            stack.enter_context(self.engine.convolving())
            if self.engine.shadowed:
                self._shadows = self._shadows or shadows_of(self, batch)
                stack.enter_context(self._shadows.in_place())
            if self.engine.counted:
                stack.enter_context(counting_at_once(batch_norms(self.method)))
            if self.train.sync_batch_norm and not self.group.alone:
                stack.enter_context(synchronised(self._norms, self.group, self._count))
            yield

    def _count(self) -> bool:
        return self.counts and self.weight > 0

    def make(self, batch: Batch) -> Any:
        """What the method makes of a batch, once for all its phases."""
        with self.engine.autocast():
            return self._make(batch)

    def loss(self, phase: Phase, batch: Batch, made: Any) -> tuple[Tensor, Losses]:
        """What a phase descends, and its terms, unweighted and detached."""
        terms = self.terms(phase, batch, made)
        weighted = (term.value * term.weight if term.weight != 1 else term.value for term in terms)
        first, *rest = (value for value, term in zip(weighted, terms, strict=True) if term.weight)
        total = sum(rest, first)
        values = {term.name: term.value.detach() for term in terms}
        if self.weight != 1:
            values = {name: value * self.weight for name, value in values.items()}
        # The sum over ranks of what this makes of the gradients is their mean.
        scale = self.weight / self.group.rank.of
        return (total if scale == 1 else total * scale), values

    def terms(self, phase: Phase, batch: Batch, made: Any) -> Sequence[Term]:
        """The terms of a phase. Raises ImtransError when they are none."""
        given = nested(Tensor.detach, made) if phase.detached else made
        # One region for each descent: weights cast in it must not outlive their update.
        with self.engine.autocast():
            return check_terms(self.method, phase, self._loss[phase.name](batch, given))

    @contextmanager
    def only(self, phase: Phase) -> Iterator[None]:
        """Gradients pass through what the phase does not train, and none of its own is computed."""
        others = self._frozen[phase.name]
        if self._shadows:
            others = [self._shadows.instead_of(parameter) for parameter in others]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    def finish(self, steps: int = 1) -> None:
        """So many steps are done: what follows them is no part of a graph."""
        if self.averages:
            self.averages.count(steps)
        with torch.no_grad():
            self.method.after_step()

    @property
    def several(self) -> bool:
        """Whether nothing is to be done between two steps, so that one graph can hold both."""
        return type(self.method).after_step is Method.after_step

    @property
    def translating(self) -> dict[str, nn.Module]:
        """The translators to translate with: their averages, if there are any."""
        return self.averages.modules if self.averages else dict(self.method.translators())

    def scale_learning_rates(self, factor: float) -> None:
        """Make all rates this factor of the recipe's."""
        for adam in self.optimizers.values():
            adam.set_rate(factor * adam.full_rate)

    @property
    def learning_rate(self) -> float:
        """That of the last phase, which in a GAN is the generator's."""
        return self.optimizers[self.phases[-1].name].rate

    def optimizer_state(self) -> dict[str, Tensor]:
        """The moments of all optimisers, `PHASE/PARAMETER/exp_avg`."""
        return {
            f"{name}/{key}": value
            for name, adam in self.optimizers.items()
            for key, value in adam.state().items()
        }

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Resume with these moments, and with the weights that were loaded before. Raises KeyError
        when one is missing, and ValueError when one has another shape."""
        if self._shadows:
            self._shadows.refresh()
        for name, adam in self.optimizers.items():
            start = f"{name}/"
            adam.load_state(
                {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            )
