"""How good a translator is on pairs that it is not trained on."""

import math
from collections.abc import Sequence

from torch import nn

from imtrans.api.listener import Measured
from imtrans.api.pictures import Pair
from imtrans.data.pairs import spread
from imtrans.task import Task
from imtrans.training.viewing import viewing
from imtrans.translation.translator import Translator


class Validation:
    """Translates validation pairs, exactly as `imtrans translate` would: at the scale of training,
    with results of the size of their files. Those are measured against the targets."""

    def __init__(self, task: Task, translator: Translator) -> None:
        self.task, self.translator = task, translator
        pairs, table = task.validation_pairs, task.recipe.validation
        self.pairs: Sequence[Pair] = [pairs[i] for i in spread(len(pairs), table.pairs)]
        self.metrics = {
            name: metric.to(translator.device) if isinstance(metric, nn.Module) else metric
            for name, metric in task.metrics().items()
        }

    def __bool__(self) -> bool:
        """Whether there is anything to measure."""
        return bool(self.pairs) and bool(self.metrics)

    def measure(self) -> dict[str, Measured]:
        """Every metric that has a value on these pairs."""
        for metric in self.metrics.values():
            metric.reset()
        with viewing(self.translator):
            for pair in self.pairs:
                self._update(pair)
        values = {name: float(metric.compute()) for name, metric in self.metrics.items()}
        return {
            name: Measured(value, bool(self.metrics[name].higher_is_better))
            for name, value in values.items()
            if not math.isnan(value)
        }

    def _update(self, pair: Pair) -> None:
        device = self.translator.device
        sample = self.task.sampler.measured(pair, self.task.scale)
        source, target = self.task.encoding.encode(*(side[None].to(device) for side in sample))
        output = self.translator.output_at(source, target.shape[-2], target.shape[-1])
        # In the usual order of memory: torchmetrics' own MeanSquaredError takes no other.
        output, target = output.contiguous(), target.contiguous()
        for metric in self.metrics.values():
            metric.update(output, target)
