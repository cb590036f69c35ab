"""How good a translator is on pairs that it is not trained on."""

import math
from collections.abc import Sequence

from torch import nn

from imtrans.api.listener import Measured
from imtrans.api.metric import ImageMetric, SetMetric
from imtrans.api.pictures import Pair
from imtrans.data.pairs import spread
from imtrans.data.reading import Sample
from imtrans.evaluation.contract import values_of
from imtrans.evaluation.seen import translated, update
from imtrans.host.group import Group, alone
from imtrans.task import Task
from imtrans.training.kept_samples import KeptSamples, by_size
from imtrans.training.viewing import viewing
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator

IN_PARTS = (ImageMetric, SetMetric)  # metrics of which several processes can measure a part each


class Validation:
    """Translates validation pairs, exactly as `imtrans translate` would: at the scale of training,
    with results of the size of their files. Those are measured against the targets.

    Pairs are read at the first measure and stay in the device's memory, where there is room; those
    of one size are translated together. Each rank of a group measures some of them; where a metric
    of a third party cannot be put together of parts, rank 0 measures all.
    """

    def __init__(self, task: Task, translator: Translator, group: Group | None = None) -> None:
        self.task, self.translator, self.group = task, translator, group or alone()
        pairs, table = task.validation_pairs, task.recipe.validation
        chosen = [pairs[i] for i in spread(len(pairs), table.pairs)]
        self.metrics = {
            name: metric.to(translator.device) if isinstance(metric, nn.Module) else metric
            for name, metric in task.metrics().items()
        }
        self._any = bool(chosen) and bool(self.metrics)
        self._parts = {k: m for k, m in self.metrics.items() if isinstance(m, IN_PARTS)}
        self._shared = len(self._parts) == len(self.metrics)
        self.pairs: Sequence[Pair] = self._own(chosen)
        self._samples = KeptSamples(self._read, len(self.pairs), translator.device)
        self._together = Together(translator)

    def __bool__(self) -> bool:
        """Whether there is anything to measure."""
        return self._any

    def _own(self, chosen: list[Pair]) -> list[Pair]:
        rank = self.group.rank
        if self._shared:
            return chosen[rank.number :: rank.of]
        for metric in self.metrics.values():
            if hasattr(metric, "sync_on_compute"):  # torchmetrics' own would wait for all ranks
                metric.sync_on_compute = False
        return chosen if self.group.leads else []

    def measure(self) -> dict[str, Measured]:
        """Every metric that has a value on these pairs, the same on all ranks."""
        self.see()
        return self.found()

    def see(self) -> None:
        """Show the metrics this rank's pairs. Raises ImtransError when one cannot be read."""
        for metric in self.metrics.values():
            metric.reset()
        self._together.weights_changed()
        with viewing(self.translator):
            for samples in by_size(self._samples, self._together.most):
                self._update(samples)

    def found(self) -> dict[str, Measured]:
        """What all ranks have seen, put together."""
        for metric in self._parts.values() if self._shared else ():
            metric.with_rows([rows for part in self.group.gather(metric.so_far()) for rows in part])
        return self.group.from_first(self._found() if self.group.leads else {})

    def _found(self) -> dict[str, Measured]:
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
        self.group.watch.at("measuring validation pairs")
        seen = translated(self.task.encoding, self._together, samples)
        for metric in self.metrics.values():
            update(metric, seen)
