"""A CUDA graph of some work, or an error that leaves the process as it was.

A capture that CUDA itself invalidates ends badly in torch (2.11; read in its sources): the context
of `torch.cuda.graph` raises before it has put back the stream, the memory pool and the generator,
and the next dropout outside a graph fails. So what waits for the device is found before recording,
in a warm-up that forbids it, and what a failure leaves behind is put back here.
"""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

WARM_UP = 3  # calls; all states of requires_grad are met in each

Work = Callable[[], None]


def record(work: Work, device: torch.device) -> Work:
    """A function that does the work, which is work for the device alone, by one launch.

    The work is done a few times meanwhile: whoever calls this puts back what it changes. Raises
    RuntimeError when it cannot be recorded.
    """
    gc.collect()  # an autograd graph that is left over would sum gradients on its own stream
    _warm_up(work, device)
    graph = torch.cuda.CUDAGraph()
    with repaired(device) as pool:
        stream = torch.cuda.Stream(device)
        # Other threads may allocate meanwhile, as the one that pins batches does.
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            work()
    return graph.replay


def _warm_up(work: Work, device: torch.device) -> None:
    """Libraries choose their algorithms, and optimisers make their state, on a stream that is not
    the usual one. What waits for the device raises RuntimeError in the last call."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    try:
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP - 1):
                work()
            with _waiting_refused():
                work()
    finally:  # what puts the state back must not overtake what is still running
        torch.cuda.current_stream(device).wait_stream(stream)


@contextmanager
def _waiting_refused() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says once that it is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def repaired(device: torch.device) -> Iterator[Any]:
    """A memory pool to record in. After an error, what recording has changed is put back."""
    index = torch.cuda.current_device() if device.index is None else device.index
    generator = torch.cuda.default_generators[index]
    stream, state = torch.cuda.current_stream(device), generator.clone_state()
    pool = torch.cuda.graph_pool_handle()
    try:
        yield pool
    except BaseException:
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(state)
        with suppress(Exception):  # not begun; or ended already, and then the graph releases it
            torch._C._cuda_endAllocateToPool(index, pool)
            torch._C._cuda_releasePool(index, pool)
        gc.collect()
        torch.cuda.empty_cache()
        raise
