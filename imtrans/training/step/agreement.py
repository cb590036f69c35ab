"""Whether another engine's gradients are the reference's, as nearly as rounding explains.

No fixed cosine can decide that. Batch norm over a handful of values and activations near their kink
magnify rounding: 0.4 % in a number becomes 50 % of one layer's gradient and 0.5 % of another's. So
the yardstick is measured. The reference engine computes its gradients again with rounding in them
(`Rounded`), and every parameter's may be about as far from the exact one as it was then:

- The distance from the exact gradient. Of many numbers it varies little from one rounding to the
  next, so `ALLOWED` is close to 1. What does vary is shared: an activation that rounding moves
  across its kink changes the gradients of all layers before it alike. So a parameter may exceed the
  yardstick as much as its neighbours do, up to `SHARED`; a fault in one layer has no such company.
- The part of it along the exact gradient. Rounding changes a gradient in all directions, and little
  in this one; one that is missing, too long or turned changes most in this one.
- No rounding is computed that is not needed: what is within `FLOOR` of the exact gradient agrees
  whatever rounding does, and so does what is nothing beside the whole term's gradient (`NOTHING`).
- Few numbers may agree by chance in all roundings, so they are allowed more (`FEW`).
- Where this would allow the opposite of the gradient too, the gradient is a residue of rounding (a
  bias before a norm, whose gradient is zero; a sum that cancels): then only its size is limited.

fp32 is judged by the same yardstick: its rounding is 2^16 times finer, but not every kernel is as
exact as that. torch's batch norm on a CPU (2.13) sums one number after the other in channels_last.
On drawings with large flat areas it is off by 0.03 %, and kinks turn that into a tenth of a
gradient; that is half of what bf16 does, and no harm to a training.

The gradients of each term of a phase are best compared by themselves, "generator/g" apart from
"generator/l1": beside a hundredfold L1, a fault in the adversarial part is smaller than rounding.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from imtrans.host.devices import Precision

Gradients = Mapping[str, Mapping[str, Tensor]]  # phase or term -> parameter -> gradient; none is 0

DRAWS = (0, 1, 2)  # of `Rounded`: the roundings that make the yardstick
FLOOR = 0.02  # of the gradient, added to the yardstick
NOTHING = 2**-20  # of the gradient of all parameters: what a few roundings of fp32 add up to
ALLOWED = 1.4  # yardsticks of distance
ALONG = 1.0  # yardsticks along the exact gradient
FEW = 12.0  # of both more, divided by the count of numbers
SHARED, NEIGHBOURS = 1.75, 6
RESIDUE = 10.0  # times what is allowed
LEAST = 0.5  # cosine; a precision that keeps less of a phase's gradient is of no use


@dataclass(frozen=True)
class Change:
    """From a parameter's exact gradient to another one."""

    distance: float  # L2 norm of the difference
    along: float  # component of the difference in the direction of the exact gradient

    def cosine_and_length(self, exact: float) -> tuple[float, float]:
        """Of the other gradient, its length in units of the exact one's, which is given."""
        length = math.sqrt(max(exact**2 + 2 * exact * self.along + self.distance**2, 0.0))
        if not exact or not length:
            return 0.0, math.inf if length else 0.0
        return (exact + self.along) / length, length / exact


@dataclass
class Parameter:
    """An exact gradient, and how roundings changed it."""

    name: str
    gradient: Tensor
    norm: float
    roundings: list[Change] = field(default_factory=list)

    def change(self, other: Tensor | None) -> Change:
        difference = -self.gradient if other is None else other.float() - self.gradient
        product = float((difference * self.gradient).sum(dtype=torch.float64))
        return Change(_norm(difference), product / self.norm if self.norm else 0.0)

    @property
    def yardstick(self) -> float:
        distances = [change.distance for change in self.roundings]
        largest = max(filter(math.isfinite, distances), default=0.0)
        return largest + FLOOR * self.norm


@dataclass(frozen=True)
class Difference:
    """What differs beyond what rounding explains."""

    line: str
    where: str  # phase, term and parameter
    cosine: float | None = None  # between the gradients; None where there is only one
    length: float = 1.0  # of the other gradient, in lengths of the exact one

    def __str__(self) -> str:
        return self.line

    @property
    def short(self) -> str:
        """How well the gradients agree: `gradient agreement 0.85`."""
        if self.cosine is None:
            return self.line
        if self.cosine >= 0.995:  # which is 1.00 in print
            return f"gradient length {self.length:.2f}"
        return f"gradient agreement {self.cosine:.2f}"


class Agreement:
    """The exact gradients, of which a copy is kept, and what roundings make of them.

    `roundings` are the gradients that the reference engine computes with rounding to bf16, one draw
    after the other; each is asked for where those before it do not explain a difference.
    """

    def __init__(self, exact: Gradients, roundings: Iterable[Gradients] = ()) -> None:
        self.phases = {
            phase: [Parameter(name, row, _norm(row)) for name, row in rows.items()]
            for phase, rows in exact.items()
        }
        self._roundings = iter(roundings)

    def learn(self) -> bool:
        """Whether there was another rounding to learn from."""
        rounded = next(self._roundings, None)
        if rounded is None:
            return False
        for phase, parameters in self.phases.items():
            for parameter in parameters:
                change = parameter.change(rounded[phase].get(parameter.name))
                parameter.roundings.append(change)
        return True

    def disagreement(self, found: Gradients, precision: Precision) -> Difference | None:
        """What differs most beyond what rounding explains, if anything does."""
        while difference := self._unexplained(found, precision):
            if not self.learn():
                return difference
        return None

    def _unexplained(self, found: Gradients, precision: Precision) -> Difference | None:
        if unknown := next(self._unknown(found), None):
            line = f"{unknown} has a gradient, but none with the reference engine"
            return Difference(line, unknown)
        worst: tuple[float, Difference | None] = 1.0, None
        for phase, parameters in self.phases.items():
            if precision == "bf16" and not (cosine := _kept(parameters)) >= LEAST:
                line = f"rounding to bf16 ruins the gradient of the {phase} (cosine {cosine:.2f})"
                return Difference(line, phase, cosine)
            changes = [p.change(found[phase].get(p.name)) for p in parameters]
            excess = excesses(parameters, changes)
            for parameter, change, times in zip(parameters, changes, excess, strict=True):
                if times > worst[0]:
                    worst = times, _difference(phase, parameter, change)
        return worst[1]

    def _unknown(self, found: Gradients) -> Iterator[str]:
        for phase, rows in found.items():
            known = {parameter.name for parameter in self.phases[phase]}
            for name, row in rows.items():
                if name not in known and bool(row.count_nonzero()):
                    yield f"{phase}.{name}"


def excesses(parameters: Sequence[Parameter], changes: Sequence[Change]) -> list[float]:
    """How many times as far as is allowed each parameter of a phase changed: above 1 is too far.
    Neighbours are those before and after it."""
    far: list[float | None] = []  # in yardsticks; None for residues
    found = []
    nothing = NOTHING * math.hypot(*(parameter.norm for parameter in parameters))
    for parameter, change in zip(parameters, changes, strict=True):
        if change.distance <= nothing:
            change = Change(0.0, 0.0)
        yardstick = parameter.yardstick
        few = FEW / max(parameter.gradient.numel(), 1)
        distance, along = _ratio(change.distance, yardstick), _ratio(abs(change.along), yardstick)
        times = max(distance / (ALLOWED + few), along / (ALONG + few))
        residue = (ALLOWED + few) * yardstick >= 2 * parameter.norm
        if residue:
            times /= RESIDUE
        far.append(None if residue else distance)
        found.append(times)
    return [times / _shared(far, index) for index, times in enumerate(found)]


def _shared(far: Sequence[float | None], index: int) -> float:
    """How far the neighbours of a parameter are, in yardsticks, within 1 to `SHARED`."""
    others = [(abs(i - index), f) for i, f in enumerate(far) if i != index and f is not None]
    near = [times for _, times in sorted(others)[:NEIGHBOURS]]
    return min(max(1.0, median(near)), SHARED) if near else 1.0


def _kept(parameters: Sequence[Parameter]) -> float:
    """The smallest cosine between a phase's exact gradient and a rounded one."""
    exact = math.hypot(*(p.norm for p in parameters))
    cosines = [1.0]
    for changes in zip(*(p.roundings for p in parameters), strict=True):
        along = sum(p.norm * c.along for p, c in zip(parameters, changes, strict=True))
        whole = Change(math.hypot(*(c.distance for c in changes)), along / exact if exact else 0.0)
        if whole.distance:
            cosines.append(whole.cosine_and_length(exact)[0])
    return math.nan if any(map(math.isnan, cosines)) else min(cosines)


def _difference(phase: str, parameter: Parameter, change: Change) -> Difference:
    cosine, length = change.cosine_and_length(parameter.norm)
    most = max(parameter.roundings, key=lambda c: c.distance, default=Change(0.0, 0.0))
    explained = most.cosine_and_length(parameter.norm)
    where = f"{phase}.{parameter.name}"
    line = (
        f"the gradient of {where} differs from the reference engine's (cosine {cosine:.2f}, length "
        f"{length:.2f}; rounding to bf16 explains {explained[0]:.2f}, {explained[1]:.2f})"
    )
    return Difference(line, where, cosine, length)


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values, dtype=torch.float64))


def _ratio(part: float, whole: float) -> float:
    """Nothing of nothing is 0; infinite where it cannot be computed, so that it counts as far."""
    if part == 0:
        return 0.0
    return part / whole if whole and math.isfinite(part) else math.inf
