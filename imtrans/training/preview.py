"""What the generator makes of a few fixed pairs: a grid of source | fake | target."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from imtrans.api.pictures import Pair
from imtrans.data.pairs import spread
from imtrans.data.pixels import images
from imtrans.data.samples import Sampler
from imtrans.translation.translator import Translator

ROWS = 4


class Preview:
    """Translates the same pairs again and again, exactly as `imtrans translate` would."""

    def __init__(self, pairs: Sequence[Pair], sampler: Sampler, translator: Translator) -> None:
        self.samples = [sampler.plain(pairs[i]) for i in spread(len(pairs), ROWS)]
        self.translator = translator

    def draw(self) -> Image.Image:
        """The grid as it stands now."""
        return images.to_image(images.grid([self._row(*sample) for sample in self.samples]))

    def _row(self, source: Tensor, target: Tensor) -> list[Tensor]:
        encoding, device = self.translator.encoding, self.translator.device
        source, target = encoding.encode(source[None].to(device), target[None].to(device))
        fake = self.translator.fake(source)
        return [
            encoding.show_source(source),
            encoding.show_target(fake, source),
            encoding.show_target(target, source),
        ]
