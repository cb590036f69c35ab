"""How often batch norms were called, noted once a step for all of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from imtrans.api.layers import BatchNorm2d


@contextmanager
def counting_at_once(norms: Sequence[BatchNorm2d]) -> Iterator[None]:
    """Within, norms count their calls themselves; in the end one addition notes all of them, where
    each would have taken one at every call."""
    for norm in norms:
        # The momentum of one that averages over all batches follows from the count.
        norm.calls = 0 if norm.momentum is not None else None
    try:
        yield
        counted = [
            (norm.num_batches_tracked, norm.calls)
            for norm in norms
            if norm.calls and norm.num_batches_tracked is not None
        ]
        if counted:
            counters, calls = [row[0] for row in counted], [row[1] for row in counted]
            torch._foreach_add_(counters, calls)
    finally:
        for norm in norms:
            norm.calls = None
