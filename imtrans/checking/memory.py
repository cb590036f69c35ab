"""How much memory a step will take, from the shapes of what it keeps. An estimate.

Counted are weights, gradients, Adam's moments, the average of the weights, and what the forward
passes keep for the backward ones. Not counted are what single operations need for a moment (the
workspace of a convolution), what the allocator holds in reserve, the batches that wait, and
Python with torch: `AT_THE_PEAK` says how much more training took where it was measured.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.recipe.schema import Recipe
from imtrans.training.step.accumulate import without_tracking
from imtrans.training.step.trial import leaving_no_mark

AT_THE_PEAK = 1.5  # unet_256 on a CPU, batch 1 to 4: 1.2 on the plain engine, to 1.43 on the fast


@dataclass(frozen=True)
class Memory:
    """Bytes on the device."""

    weights: int
    gradients: int
    moments: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))

    @property
    def peak(self) -> int:
        """What it may come to."""
        return round(self.total * AT_THE_PEAK)


def estimate_memory(model: Pix2Pix, recipe: Recipe, channels: tuple[int, int]) -> Memory:
    """What training the recipe takes; `channels` are those of source and target.

    The forward passes are taken on one image and on two, and no more, so that also what will not
    fit is told: what a batch keeps grows by the same amount with each image. The model is left as
    it was.
    """
    judges = [judge for judge in _judges(model) if isinstance(judge, nn.Module)]
    networks = [model.generator, model.discriminator, *judges]
    trained = _bytes(p for adam in (model.adam_g, model.adam_d) for p in adam.parameters)
    average = state_bytes(model.average.generator) if model.average else 0
    one, two = (_kept(model, noise(count, recipe, channels, model)) for count in (1, 2))
    each = two - one
    train = recipe.train
    activations = one + each * (train.batch_size - 1)
    if train.accumulate > 1:  # all fakes wait in memory, without what made them
        size = recipe.data.crop_size
        activations += train.accumulate * train.batch_size * channels[1] * size * size * 4
    return Memory(
        sum(state_bytes(network) for network in networks),
        trained,
        2 * trained,
        average,
        activations,
    )


def _judges(model: Pix2Pix) -> Iterator[object]:
    yield model.adversarial
    yield from (term.loss for term in model.losses)


def _kept(model: Pix2Pix, pair: tuple[Tensor, Tensor]) -> int:
    """Bytes that are kept at the most: the generator's pass and the discriminator's two, or its
    one when the generator is judged."""
    source, target = (model.engine.laid_out(side) for side in pair)
    both = (model.generator, model.discriminator)
    with leaving_no_mark(model), without_tracking(both[0]), without_tracking(both[1]):
        weights = {t.untyped_storage().data_ptr() for network in both for t in _tensors(network)}
        with _keeping(weights) as generated:
            fake = model.fake(source)
        with _keeping(weights) as judged:
            loss = model.discriminator_loss(source, target, fake.detach())
        del loss
        with model.discriminator_fixed(), _keeping(weights) as passed:
            total, _ = model.generator_loss(source, target, fake)
        del total
    # Pixels are in memory anyway, and may be kept by several passes.
    generated.update({t.untyped_storage().data_ptr(): _storage(t) for t in (source, target, fake)})
    return max(sum((generated | more).values()) for more in (judged, passed))


@contextmanager
def _keeping(but: set[int]) -> Iterator[dict[int, int]]:
    """What is kept for a backward pass within the block: address -> bytes, each storage once."""
    found: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is given twice

    def note(tensor: Tensor) -> Tensor:
        place, bare = tensor.untyped_storage().data_ptr(), tensor.detach()
        if place not in but:
            found[place] = _storage(tensor)
            alive.append(bare)
        return bare  # the tensor itself may hold the graph, which would then hold itself

    with torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept):
        yield found
    alive.clear()


def noise(
    count: int, recipe: Recipe, channels: tuple[int, int], model: Pix2Pix
) -> tuple[Tensor, Tensor]:
    """A source and a target (count, C, crop_size, crop_size) in [-1, 1], always the same."""
    size, generator = recipe.data.crop_size, torch.Generator().manual_seed(0)
    source, target = (
        torch.rand(count, number, size, size, generator=generator).to(model.device) * 2 - 1
        for number in channels
    )
    return source, target


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def state_bytes(network: nn.Module) -> int:
    """Parameters and buffers."""
    return _bytes(_tensors(network))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()
