"""What the translators make of a few fixed pairs: a grid of source | output | target."""

from collections.abc import Mapping

from PIL import Image
from torch import Tensor

from imtrans.data.pairs import spread
from imtrans.data.pixels import images
from imtrans.task import Task
from imtrans.training.viewing import viewing
from imtrans.translation.translator import Translator

ROWS = 4


class Preview:
    """Translates the same pairs again and again, exactly as `imtrans translate` would: rows of
    source | output | target for the first translator, then rows for the next. Seen is the middle,
    at the scale of training.

    Where a source has no target of its own, source and output are shown.
    """

    def __init__(self, task: Task, translators: Mapping[str, Translator]) -> None:
        self.task, self.translators = task, translators
        pairs = task.validation_pairs or task.pairs
        scales = task.scale, task.target_scale
        self.samples = [task.sampler.scaled(pairs[i], *scales) for i in spread(len(pairs), ROWS)]

    def draw(self) -> Image.Image:
        """The grid of this moment."""
        with viewing(*self.translators.values()):
            rows = [
                self._row(name, translator, *sample)
                for name, translator in self.translators.items()
                for sample in self.samples
            ]
        return images.to_image(images.grid(rows))

    def _row(
        self, name: str, translator: Translator, source: Tensor, target: Tensor
    ) -> list[Tensor]:
        device, encoding = translator.device, translator.encoding
        batch = self.task.encoding.encode(source[None].to(device), target[None].to(device))
        source, target = batch if self.task.directions[name] == "forward" else reversed(batch)
        output = translator.output(source)
        row = [encoding.show_source(source), encoding.show_target(output, source)]
        if self.task.has_targets:
            row.append(encoding.show_target(target, source))
        return [images.middle(image, self.task.recipe.data.crop) for image in row]
