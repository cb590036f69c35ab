"""torch.export of a graph, for any batch and any size that the stride divides."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import cast

import torch
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as shapes

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.host.foreign import reason
from imtrans.translation.export.graph import Graph
from imtrans.translation.padding import padded_size


def program_of(graph: Graph, channels: Sequence[int], stride: int) -> ExportedProgram:
    """The graph as torch exports it, whose inputs have so many channels. Raises ImtransError where
    it cannot be had for any size."""
    side = padded_size(stride + 1, stride)
    # Nothing is computed.
    examples = tuple(torch.zeros(2, each, side + stride, side) for each in channels)
    sizes = {0: Dim("batch"), 2: stride * Dim("rows"), 3: stride * Dim("columns")}
    try:
        with quiet(), _any_size():
            program = torch.export.export(graph, examples, dynamic_shapes=(sizes,) * len(examples))
    except Exception as error:  # whatever a plugin's network does
        if is_out_of_memory(error):
            raise
        raise ImtransError(
            f"this network cannot be exported for any batch and size: {reason(error)}"
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names of folders of this machine
    # The example is the one part of a .pt2 file that would be a pickle.
    program.example_inputs = None
    return program


def _any_size() -> AbstractContextManager[object]:
    """By default a side of one stride, of which the innermost map has one pixel, is another
    program: a file of unet_256 would refuse images of 256 px. Older versions know no better."""
    if not hasattr(shapes, "backed_size_oblivious"):
        return nullcontext()
    patch = shapes.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]  # torch adds it
    return cast("AbstractContextManager[object]", patch)


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters warn and log about themselves, which is of no use to whoever exports."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
