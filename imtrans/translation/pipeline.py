"""Many images through a translator: read ahead in threads, in batches through the network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.data.encoding import Given
from imtrans.host.threads import Threads
from imtrans.translation.grouping import grouped
from imtrans.translation.padding import padded_size
from imtrans.translation.together import Together

if TYPE_CHECKING:
    from imtrans.translation.translator import Translator

T = TypeVar("T")
Seeds = Sequence[int | None]
Read = tuple[T, Given | ImtransError]


@dataclass(frozen=True)
class Passed(Generic[T]):
    """An item that went through the network: what was read of it, and the outputs (1, C, h, w), one
    for each seed; or why there are none."""

    item: T
    given: Given | ImtransError
    outputs: Sequence[Tensor] | ImtransError


def through(
    translator: "Translator",
    items: Iterable[T],
    read: Callable[[T], Given],
    threads: Threads,
    *,
    seeds: Seeds = (None,),
    batch_size: int | None = None,
) -> Iterator[Passed[T]]:
    """Each item after it went through the network. Those of one size go together, so that the order
    is another, though none is far from its place. `read` is called in the threads; what it raises
    as ImtransError, and an image that memory has no room for, is the outcome for that item."""
    together = Together(translator, batch_size)
    ahead = threads.ahead(partial(_attempt, read), items, _bytes)
    size = partial(_padded, translator.stride)
    for group in grouped(
        ahead,
        lambda one: size(one[1]),
        lambda shape: together.most(shape, shape) if shape else 1,
        lambda one: max(size(one[1]).numel(), _composed(one[1])),
    ):
        yield from _passed(together, group, seeds)


def _passed(together: Together, group: Sequence[Read[T]], seeds: Seeds) -> Iterator[Passed[T]]:
    """Items of one size, each with its outputs."""
    sources = []
    for item, given in group:
        if isinstance(given, ImtransError):
            yield Passed(item, given, given)
        else:
            sources.append(given.source)
    if not sources:
        return
    made: Sequence[Sequence[Tensor] | ImtransError]
    try:
        made = list(zip(*(together.outputs(sources, seed) for seed in seeds), strict=True))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(group) > 1:  # one of them may fit
            for one in group:
                yield from _passed(together, [one], seeds)
            return
        made = [ImtransError("not enough memory")]
    for (item, given), outputs in zip(group, made, strict=True):
        yield Passed(item, given, outputs)


def _attempt(read: Callable[[T], Given], item: T) -> Given | ImtransError:
    try:
        return read(item)
    except ImtransError as error:
        return error


def _bytes(given: Given | ImtransError) -> int:
    if isinstance(given, ImtransError):
        return 0
    return given.source.nbytes + given.composed_with.nbytes


def _composed(given: Given | ImtransError) -> int:
    """The pixels of what a result is composed with, which may be far more than the network sees."""
    return 0 if isinstance(given, ImtransError) else given.composed_with[0, 0].numel()


def _padded(stride: int, given: Given | ImtransError) -> torch.Size:
    """The size of what the network sees; none of what could not be read."""
    if isinstance(given, ImtransError):
        return torch.Size()
    return torch.Size(padded_size(side, stride) for side in given.source.shape[-2:])
