"""An exported program of torch, which `torch.export.load` reads."""

import io
import json

import torch
from torch import Tensor
from torch.export import ExportedProgram

from imtrans.translation.export.program import quiet

ABOUT = "imtrans.json"  # the file within that holds the metadata


class Pt2:
    """The program as bytes of a .pt2 file."""

    suffix = ".pt2"

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        self._loaded = _loaded(self.dumps({}))

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        """What the file makes of a source, and of noise where it takes any, as torch runs it."""
        with torch.inference_mode(), quiet():
            return tuple(self._loaded(*given))

    def dumps(self, facts: dict[str, str]) -> bytes:
        """The file with these facts inside."""
        file = io.BytesIO()
        with quiet():
            torch.export.save(self._program, file, extra_files={ABOUT: json.dumps(facts)})
        return file.getvalue()


def _loaded(content: bytes) -> torch.nn.Module:
    with quiet():
        return torch.export.load(io.BytesIO(content)).module()
