"""The mean over ranks: of gradients, before an update, and of running statistics, after a step.

Gradients are averaged in one flat stretch of memory for each phase, not by wrapping the networks: a
discriminator that is frozen meanwhile, and several passes before one backward pass, are what
wrappers stumble over. The mean of the gradients of equal batches is the gradient of all of them as
one batch.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, some
from imtrans.host.group import Group
from imtrans.training.step.optimizer import is_dense

Gradients = list[Tensor | None]


class GradientMeans:
    """Makes the gradients of some parameters the mean over a group's ranks, of losses that were
    divided by their number: which is one pass less over all of them than dividing gradients.

    Which of them have one is found out once, with the first gradients, and is the same on all ranks
    from then on: where a rank has none, it counts as zero.
    """

    def __init__(
        self,
        group: Group,
        phase: str,
        names: Sequence[str],
        parameters: Sequence[nn.Parameter],
        say: Callable[[str], None],
    ) -> None:
        self.group, self.phase, self.say = group, phase, say
        self.names, self.parameters = names, parameters
        self._places: list[Tensor] | None = None  # of the used ones, in `_flat`
        self._used: list[int] = []

    def __call__(self, gradients: Gradients) -> Gradients:
        """The means, in memory of their own that the next call writes again. Raises ImtransError
        for a parameter that had no gradient on any rank before, and has one now."""
        if self._places is None:
            self._find_used([gradient is not None for gradient in gradients])
        assert self._places is not None
        self._refuse_new(gradients)
        for place, index in zip(self._places, self._used, strict=True):
            gradient = gradients[index]
            if gradient is None:
                place.zero_()
            else:
                place.copy_(gradient)
        self.group.add_up(self._flat)
        found: Gradients = [None] * len(gradients)
        for place, index in zip(self._places, self._used, strict=True):
            found[index] = place
        return found

    def _find_used(self, here: list[bool]) -> None:
        rows = self.group.gather(here)
        everywhere = [all(column) for column in zip(*rows, strict=True)]
        self._used = [at for at, column in enumerate(zip(*rows, strict=True)) if any(column)]
        self._say_what_is_unused(rows, everywhere)
        used = [self.parameters[at] for at in self._used]
        first = used[0]
        size = sum(parameter.numel() for parameter in used)
        self._flat = torch.zeros(size, dtype=first.dtype, device=first.device)
        self._places = []
        for parameter, part in zip(used, self._flat.split([p.numel() for p in used]), strict=True):
            # As the parameter is laid out in memory, so that Adam need not copy it.
            strides = parameter.stride() if is_dense(parameter) else None
            shape = parameter.shape
            self._places.append(part.as_strided(shape, strides) if strides else part.view(shape))

    def _say_what_is_unused(self, rows: list[list[bool]], everywhere: list[bool]) -> None:
        nowhere = [self.names[at] for at in range(len(self.names)) if at not in set(self._used)]
        if nowhere:
            self.say(
                f"note: the phase '{self.phase}' gives no gradient to {some(nowhere)}: not trained"
            )
        partly = [at for at in self._used if not everywhere[at]]
        if partly:
            without = [rank for rank, row in enumerate(rows) if not row[partly[0]]]
            self.say(
                f"note: the phase '{self.phase}' gives {some(self.names[at] for at in partly)} a "
                f"gradient on some ranks, and none on {some(f'rank {rank}' for rank in without)}: "
                "it counts as zero there"
            )

    def _refuse_new(self, gradients: Gradients) -> None:
        used = set(self._used)
        for at, gradient in enumerate(gradients):
            if gradient is not None and at not in used:
                raise ImtransError(
                    f"'{self.names[at]}' has a gradient on {self.group.rank}, and had none on any "
                    f"rank in the first step: the phase '{self.phase}' uses it now and then, which "
                    "ranks cannot follow. use it in every step, or train on one device"
                )


def average_statistics(group: Group, norms: Sequence[nn.Module], weight: float) -> None:
    """Make the running statistics of batch norms the mean over ranks, of which this one counts
    `weight` (1 where all have seen equally many pairs)."""
    rows = [
        buffer
        for norm in norms
        for buffer in (norm.running_mean, norm.running_var)
        if isinstance(buffer, Tensor)
    ]
    if not rows:
        return
    flat = torch.cat([row.reshape(-1) for row in rows])
    if weight != 1:
        flat *= weight
    group.average(flat)
    with torch.no_grad():
        torch._foreach_copy_(rows, list(flat.split([row.numel() for row in rows])))
