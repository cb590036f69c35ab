"""A model in ONNX, run by onnxruntime."""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.host.foreign import reason
from imtrans.translation.export.program import quiet

NEEDED = ("onnx", "onnxscript", "onnxruntime")
AXES = ("batch", None, "height", "width")
INPUTS = ["source", "noise"]
MOST = 2**31 - 1  # bytes; protobuf has no larger messages


class Onnx:
    """The program as bytes of an .onnx file."""

    suffix = ".onnx"

    def __init__(self, program: ExportedProgram) -> None:
        require()
        names = ["output", "scores"][: len(program.graph_signature.user_outputs)]
        self._inputs = INPUTS[: len(program.graph_signature.user_inputs)]
        try:
            with quiet():
                converted = torch.onnx.export(
                    program,
                    (),
                    input_names=self._inputs,
                    output_names=names,
                    dynamo=True,
                    verbose=False,
                )
        except Exception as error:  # whatever a plugin's network does
            if is_out_of_memory(error):
                raise
            raise ImtransError(f"ONNX has no such network: {reason(error)}") from error
        assert converted is not None
        self._model = _tidied(converted.model_proto)
        self._session = _session(self.dumps({}))

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        """What the file makes of a source, and of noise where it takes any, as onnxruntime runs
        it."""
        named = zip(self._inputs, given, strict=True)
        made = self._session.run(None, {name: each.numpy() for name, each in named})
        return tuple(torch.from_numpy(output) for output in made)

    def dumps(self, facts: dict[str, str]) -> bytes:
        """The file with these facts inside."""
        import onnx

        onnx.helper.set_model_props(self._model, facts)
        if self._model.ByteSize() > MOST:
            raise ImtransError("an .onnx file holds 2 GB at most; use --format pt2")
        return bytes(self._model.SerializeToString())


def require() -> None:
    """Raises ImtransError when what ONNX needs is not installed. Before onnxruntime is imported: it
    sends what it is used for to its makers, unless the environment says no."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ImtransError(
            f"ONNX needs {', '.join(missing)}, not installed here: pip install 'imtrans[onnx]'"
        )


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _tidied(model: Any) -> Any:
    """Without what the exporter notes for itself, which names folders of this machine, and with
    axes that have names."""
    graph = model.graph
    _forget(graph.node)
    _forget([*graph.input, *graph.output, *graph.initializer, graph])
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        for axis, name in zip(value.type.tensor_type.shape.dim, AXES, strict=True):
            if name:
                axis.dim_param = name
    return model


def _forget(parts: Iterable[Any]) -> None:
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
