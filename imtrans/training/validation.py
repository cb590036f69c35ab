"""How good the generator is on pairs that are held out."""

from collections.abc import Sequence

from imtrans.api.pictures import Pair
from imtrans.components.metrics.pixel_metrics import mean, measure
from imtrans.data.pairs import spread
from imtrans.data.samples import Sampler
from imtrans.translation.translator import Translator


class Validation:
    """Translates held-out pairs, exactly as `imtrans translate` would, and measures the fakes."""

    def __init__(
        self, pairs: Sequence[Pair], sampler: Sampler, translator: Translator, most: int
    ) -> None:
        self.pairs = [pairs[index] for index in spread(len(pairs), most)]
        self.sampler, self.translator = sampler, translator

    def __bool__(self) -> bool:
        """Whether any pairs are held out."""
        return bool(self.pairs)

    def measure(self) -> dict[str, float]:
        """The means over all pairs, by name of the metric."""
        return mean([self._measured(pair) for pair in self.pairs])

    def _measured(self, pair: Pair) -> dict[str, float]:
        device, encoding = self.translator.device, self.translator.encoding
        source, target = (side[None].to(device) for side in self.sampler.plain(pair))
        source, target = encoding.encode(source, target)
        return measure(self.translator.fake(source), target)
