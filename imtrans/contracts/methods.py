"""A probe of training methods: the terms of one step, without its descents."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imtrans.api.method import Batch, Method
from imtrans.api.passes import nested
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import AGAIN, keeping, repeated
from imtrans.contracts.networks import noise, undisturbed
from imtrans.contracts.sizes import smallest_side

SIDE = 128  # px: what discriminators of a large field still see something of


def probe_method(subject: object, method: Method, batches: Sequence[Batch]) -> None:
    """Raise BrokenContract unless the terms of a step are the same at a seed, finite on noise, and
    the batch stays as it is. Of the batches, the first is taken that fits the method.

    Whatever else a method does wrong is found, and named, when its step is made.
    """
    for batch in batches:
        try:
            probe_terms(subject, method, batch)
            return
        except BrokenContract:
            raise
        except Exception:  # a third party's code: anything may come
            continue


def small_batch(
    method: Method, channels: tuple[int, int], most: tuple[int, int], device: torch.device
) -> Batch:
    """Noise of about SIDE px, as the strides of the method's translators allow; `most` px high and
    wide."""
    strides = [getattr(network, "stride", 1) for network in method.translators().values()]
    height, width = (min(smallest_side(max(strides), SIDE), length) for length in most)
    source, target = (noise(count, height, width, device) for count in channels)
    return Batch(source, target)


def probe_terms(subject: object, method: Method, batch: Batch) -> None:
    """The same of one batch; whatever the method raises goes through."""
    terms = repeated(
        subject,
        lambda: keeping(subject, lambda: _terms(method, batch), batch._asdict()),
        AGAIN + ", and keep what a step changes in a buffer (`register_buffer`)",
        what="the terms of a step have two values",
    )
    for name, value in terms.items():
        if not bool(value.isfinite().all()):
            raise BrokenContract(
                subject,
                f"the loss '{name}' is {float(value)} on noise in [-1, 1]",
                "the terms of a phase are finite",
                "add a small epsilon where it divides, or takes a root or a logarithm",
            )


def _terms(method: Method, batch: Batch) -> dict[str, Tensor]:
    """The values of all terms, by name, before any descent."""
    found: dict[str, Tensor] = {}
    with undisturbed(method):
        made = method(batch)
        for phase in method.phases():
            given = nested(Tensor.detach, made) if phase.detached else made
            for term in phase.loss(batch, given):
                found[term.name] = term.value.detach()
    return found
