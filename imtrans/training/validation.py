"""How good a translator is on pairs that it is not trained on."""

import math
from collections.abc import Sequence

from torch import nn

from imtrans.api.listener import Measured
from imtrans.api.pictures import Pair
from imtrans.data.pairs import spread
from imtrans.data.reading import Sample
from imtrans.evaluation.contract import values_of
from imtrans.evaluation.seen import translated, update
from imtrans.task import Task
from imtrans.training.kept_samples import KeptSamples, by_size
from imtrans.training.viewing import viewing
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator


class Validation:
    """Translates validation pairs, exactly as `imtrans translate` would: at the scale of training,
    with results of the size of their files. Those are measured against the targets.

    Pairs are read at the first measure and stay in the device's memory, where there is room; those
    of one size are translated together."""

    def __init__(self, task: Task, translator: Translator) -> None:
        self.task, self.translator = task, translator
        pairs, table = task.validation_pairs, task.recipe.validation
        self.pairs: Sequence[Pair] = [pairs[i] for i in spread(len(pairs), table.pairs)]
        self.metrics = {
            name: metric.to(translator.device) if isinstance(metric, nn.Module) else metric
            for name, metric in task.metrics().items()
        }
        self._samples = KeptSamples(self._read, len(self.pairs), translator.device)
        self._together = Together(translator)

    def __bool__(self) -> bool:
        """Whether there is anything to measure."""
        return bool(self.pairs) and bool(self.metrics)

    def measure(self) -> dict[str, Measured]:
        """Every metric that has a value on these pairs."""
        for metric in self.metrics.values():
            metric.reset()
        self._together.weights_changed()
        with viewing(self.translator):
            for samples in by_size(self._samples, self._together.most):
                self._update(samples)
        return {
            value: Measured(number, bool(metric.higher_is_better))
            for name, metric in self.metrics.items()
            for value, number in values_of(name, metric).items()
            if not math.isnan(number)
        }

    def _read(self, index: int) -> Sample:
        return self.task.sampler.measured(self.pairs[index], self.task.scale)

    def _update(self, samples: Sequence[Sample]) -> None:
        """Measure the outputs for samples of one size."""
        seen = translated(self.task.encoding, self._together, samples)
        for metric in self.metrics.values():
            update(metric, seen)
