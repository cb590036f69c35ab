"""What metrics are shown of images, and the values that they find."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from imtrans.api.hookspecs import Metric
from imtrans.data.encoding import Encoding
from imtrans.data.reading import Sample
from imtrans.translation.pipeline import Seeds
from imtrans.translation.together import Together


@dataclass(frozen=True)
class SeenImages:
    """Sources, outputs and targets (N, C, H, W) in [-1, 1], as the networks see them. Outputs and
    targets are of one size."""

    encoding: Encoding
    source: Tensor
    output: Tensor
    target: Tensor
    has_source: bool = True  # False: the source is another picture, or none that is known
    has_target: bool = True  # False: the target belongs to another source
    samples: Tensor | None = None  # (N, K, C, H, W): outputs of several seeds, `output` the first

    def of(self, metric: Metric) -> tuple[Tensor, ...]:
        """What a metric is given: outputs, targets, and sources if it needs them. One of a third
        party has copies: it may write into them, and others measure the same images."""
        as_pictures = getattr(metric, "of_pictures", False)
        images: tuple[Tensor, ...] = self._pictures if as_pictures else (self.output, self.target)
        if getattr(metric, "needs_source", False):
            images = *images, self._sources if as_pictures else self.source
        if getattr(metric, "needs_samples", False) and self.samples is not None:
            images = *images, self.samples
        is_own = type(metric).__module__.startswith("imtrans.")
        return images if is_own else tuple(side.clone() for side in images)

    @cached_property
    def _pictures(self) -> tuple[Tensor, Tensor]:
        return self._shown(self.output), self._shown(self.target)

    @cached_property
    def _sources(self) -> Tensor:
        shown = [self.encoding.show_source(one) for one in self.source.split(1)]
        return _scaled(shown, self.source.device)

    def _shown(self, images: Tensor) -> Tensor:
        """RGB pictures (N, 3, H, W) in [-1, 1], rounded as files are."""
        each = zip(images.split(1), self.source.split(1), strict=True)
        shown = [self.encoding.show_target(image, source) for image, source in each]
        return _scaled(shown, images.device)


def translated(
    encoding: Encoding,
    together: Together,
    samples: Sequence[Sample],
    *,
    paired: bool = True,
    seeds: Seeds = (None,),
) -> SeenImages:
    """Samples of one size, translated as `imtrans translate` does, with each of the seeds."""
    device = together.translator.device
    # One by one: a label map has many channels, and more than one copy meanwhile.
    encoded = [encoding.encode(*(side[None].to(device) for side in each)) for each in samples]
    sources, targets = (torch.cat(side) for side in zip(*encoded, strict=True))
    size = targets.shape[-2], targets.shape[-1]
    # In the usual order of memory: torchmetrics' own MeanSquaredError takes no other.
    outputs = [together.output_at(sources, *size, seed).contiguous() for seed in seeds]
    several = torch.stack(outputs, 1) if len(outputs) > 1 else None
    return SeenImages(
        encoding, sources, outputs[0], targets.contiguous(), has_target=paired, samples=several
    )


def _scaled(pictures: list[Tensor], device: torch.device) -> Tensor:
    return torch.stack(pictures).to(device).float() / 127.5 - 1


def update(metric: Metric, seen: SeenImages) -> None:
    """Have a metric measure images: all at once only where it wants them so. Others may weigh a
    batch as they weigh an image, or take much memory for each."""
    images = seen.of(metric)
    some = len(images[0]) if getattr(metric, "batched", False) else 1
    for part in zip(*(side.split(some) for side in images), strict=True):
        metric.update(*part)
