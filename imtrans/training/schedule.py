"""The learning rate of each step, as a factor of the recipe's."""

import math

from imtrans.recipe.schema import TrainTable


def factor(train: TrainTable, epoch: int, step: int) -> float:
    """What the learning rates are multiplied by in a step (from 0 over the whole run) of an epoch
    (from 1): the schedule's value for the epoch, times the warm-up's for the step."""
    warm = min(1.0, (step + 1) / train.warm_up) if train.warm_up else 1.0
    return warm * _SCHEDULES[train.schedule or _usual(train)](train, epoch)


def _usual(train: TrainTable) -> str:
    return "linear" if train.decay_from is not None else "constant"


def _constant(train: TrainTable, epoch: int) -> float:
    return 1.0


def _linear(train: TrainTable, epoch: int) -> float:
    """Constant up to and with `decay_from`, then linear towards zero, which would be reached one
    epoch after the last: the last epoch still learns."""
    return 1 - _fallen(train, epoch)


def _cosine(train: TrainTable, epoch: int) -> float:
    """Half a cosine in place of the line. Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5."""
    return (1 + math.cos(math.pi * _fallen(train, epoch))) / 2


def _step(train: TrainTable, epoch: int) -> float:
    """Smaller by `decay_factor` after every `decay_every` epochs, counted from `decay_from`."""
    assert train.decay_every is not None  # the schema demands it
    return train.decay_factor ** (max(0, epoch - 1 - (train.decay_from or 0)) // train.decay_every)


def _fallen(train: TrainTable, epoch: int) -> float:
    """How much of the way down is done, 0 .. 1."""
    start = train.decay_from or 0
    return max(0, epoch - start) / (train.epochs - start + 1)


_SCHEDULES = {"constant": _constant, "linear": _linear, "cosine": _cosine, "step": _step}
