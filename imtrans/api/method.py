"""What a training method is: networks, and the phases in which they learn.

A method says *what* is trained against what. How that is computed (device, precision, memory
format, compiler, CUDA graph, accumulation, optimiser) is the business of `imtrans.training.step`,
which drives every method alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from torch import Tensor, nn

from imtrans.api.errors import ImtransError

if TYPE_CHECKING:
    from imtrans.api.hookspecs import AdversarialLoss, Loss

Direction = Literal["forward", "back"]


class Batch(NamedTuple):
    """What a step is taken on, on the device."""

    source: Tensor  # (N, Cs, H, W), float32 in [-1, 1]
    target: Tensor  # (N, Ct, H, W), its pair; where `paired` is False, any picture of that side


class Term(NamedTuple):
    """One summand of what a phase descends."""

    name: str  # as it is logged, without its weight
    value: Tensor  # scalar
    weight: float = 1.0  # 0: it is logged only


@dataclass(frozen=True)
class Phase:
    """One descent of a step.

    `trains` share one Adam over their parameters, whose state is saved under `name`; everything
    else in the method is frozen meanwhile. `loss` is called with the batch and with what `forward`
    made of it, which is `detached` where no gradient is to pass through it. Only then may the phase
    be descended more than once (`times`): a graph is descended once. `rate` is a factor of the
    recipe's learning rate.
    """

    name: str
    trains: Sequence[nn.Module]
    loss: Callable[[Batch, Any], Iterable[Term]]
    detached: bool = False
    times: int = 1
    rate: float = 1.0


class Method(nn.Module):
    """Networks that learn together.

    Child modules with parameters are its networks: each is saved in a file of its name. Buffers,
    and children that hold only buffers (an image pool), are its other state. All of it is saved,
    restored, moved and counted without the method's help. A method never sees device, precision,
    memory format, compiler, graph or optimiser; it calls its networks as modules, and they return
    float32. Whatever it draws at random, it draws with torch on the device of the batch, by shape:
    the values of `randn_like` follow the memory format, which is another in each engine.
    """

    #: Whether it learns from pairs. If not, `target` is any picture of the other side.
    paired: ClassVar[bool] = True
    #: The tables of the recipe that it builds from; others are refused.
    needs: ClassVar[frozenset[str]] = frozenset(
        {"generator", "discriminator", "adversarial", "loss"}
    )
    #: What it can translate, by the name of the translator: from source to target, or back. The
    #: first is called `generator`, and is the one that `imtrans translate` takes by default.
    directions: ClassVar[Mapping[str, Direction]] = {"generator": "forward"}

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, nn.Module) and hasattr(nn.Module, name):
            raise ImtransError(
                f"{type(self).__name__} calls a network '{name}', which is a method of "
                "torch.nn.Module and would hide it: give the network another name"
            )
        super().__setattr__(name, value)

    def networks(self) -> dict[str, nn.Module]:
        """Its networks by name: the children that have parameters."""
        return {
            name: child
            for name, child in self.named_children()
            if next(child.parameters(), None) is not None
        }

    def forward(self, batch: Batch) -> Any:
        """What is made once for all phases of a step: tensors in tuples, lists or dicts."""
        raise NotImplementedError

    def phases(self) -> Sequence[Phase]:
        """The descents of a step, in their order. No parameter is in two of them."""
        raise NotImplementedError

    def translators(self) -> Mapping[str, nn.Module]:
        """The modules of `directions`: t(source) -> output, both (N, C, H, W) in [-1, 1].
        `t.stride`: H and W must be multiples of it. `t.draws = True`, where it draws random
        numbers (a sampler): it is then called with torch seeded, so that a result is repeatable.

        `t.nfe`, where it evaluates a network several times for an output: how often. It is an
        integer that an option of the method chooses; set to another number, with the same weights,
        the module samples in so many (`imtrans translate --nfe`). A ValueError of its setter says
        which numbers it takes.

        `t.noise_channels`, of a sampler that can be exported: `t(source, noise=None)` is then a
        function of source and noise, (N, noise_channels, H, W) of standard normal values at the
        source's H and W. Without noise it draws just that, by torch.randn on the source's device.
        What several steps draw are more channels: they may depend on `t.nfe`."""
        raise NotImplementedError

    @classmethod
    def translator(cls, parts: Parts, name: str, **options: Any) -> nn.Module:
        """A translator built alone, to be filled with weights: nothing else of the method, and no
        plugin that only training needs. `options` are those of the recipe's [method]."""
        raise NotImplementedError

    def at_epoch(self, epoch: int) -> bool:
        """Called before each epoch (from 1), and when a run continues within one: from now on
        `phases` are those of this epoch, whatever came before. True: they are others than they were
        (from coarse to fine), and what optimises them begins again."""
        return False

    def after_step(self) -> None:
        """Called after each step, without gradients and outside any graph."""

    def advice(self, losses: Mapping[str, float]) -> Iterable[str]:
        """What to say to a person after a reading of the losses (means, by name)."""
        return ()


class Parts(Protocol):
    """What a method builds its networks and losses from, as often as it likes.

    Every call builds another one, from the recipe's table of that name; networks draw their weights
    from the recipe's seed, in the order of the calls.
    """

    source_channels: int
    target_channels: int
    size: tuple[int, int]  # px, height and width of a training image

    def generator(self, source: int | None = None, target: int | None = None) -> nn.Module:
        """From `source` channels to `target` channels; those of the data by default."""
        ...

    def discriminator(self, source: int | None = None, target: int | None = None) -> nn.Module:
        """d(source, image) -> logits. With 0 source channels it sees an image by itself."""
        ...

    def adversarial(self) -> AdversarialLoss: ...

    def losses(self) -> tuple[WeightedLoss, ...]:
        """The recipe's [[loss]] tables."""
        ...


@dataclass(frozen=True)
class WeightedLoss:
    """A term on (output, target) and its weight."""

    name: str
    weight: float
    loss: Loss


Scale = tuple[Tensor, Sequence[Tensor]]  # logits (N, 1, h, w), and the features that led there


def scales(output: Tensor | Sequence[Scale]) -> list[Scale]:
    """What a discriminator returned, as scales: one without features, if it was plain logits."""
    return [(output, ())] if isinstance(output, Tensor) else [(x[0], x[1]) for x in output]


def over_scales(loss: Callable[..., Tensor], *outputs: Tensor | Sequence[Scale]) -> Tensor:
    """The mean of loss(logits, ...) over the scales of what a discriminator returned."""
    rows = list(zip(*(scales(each) for each in outputs), strict=True))
    values = [loss(*(logits for logits, _ in row)) for row in rows]
    return values[0] if len(values) == 1 else sum(values[1:], values[0]) / len(values)
