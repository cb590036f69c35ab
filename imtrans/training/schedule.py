"""The learning rate of each epoch."""

from imtrans.schema import TrainTable


def learning_rate(epoch: int, train: TrainTable) -> float:
    """Constant up to and with `decay_from`, then linear towards zero; epochs count from 1.

    Zero would be reached one epoch after the last, so that the last epoch still learns.
    """
    if train.decay_from is None:
        return train.learning_rate
    falling = max(0, epoch - train.decay_from)
    return train.learning_rate * (1 - falling / (train.epochs - train.decay_from + 1))
