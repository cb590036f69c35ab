"""Safetensors files that hold their own sum, and are equal where what is in them is equal.

The sum is in the file's metadata, as `sha256`: that of all its bytes, with zeros in the place of
the sum itself. So a file says whether it is what was written, wherever it is copied to. The library
writes the metadata in random order, so files are written here (the format is a length, a header in
JSON, and the tensors' bytes), and read by the library: https://huggingface.co/docs/safetensors
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError

SUM = "sha256"
NONE = "0" * 64
LENGTH, ALIGNED = 8, 8  # bytes: of the number that says how long the header is; and of its parts
CHUNK = 1 << 20  # bytes
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_sealed(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, which must be contiguous and on the CPU, and their metadata. Raises OSError,
    and KeyError for a dtype that such files do not have."""
    # The largest elements first, as safetensors has it: each then lies at a multiple of its size.
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    start = _start({name: tensors[name] for name in names}, {**metadata, SUM: NONE})
    digest = hashlib.sha256(start)
    for name in names:
        digest.update(_bytes(tensors[name]))
    with path.open("wb") as file:
        file.write(_with_sum(start, digest.hexdigest()))
        for name in names:
            file.write(_bytes(tensors[name]))


def _start(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The beginning of a file: the length of its header, and the header."""
    values: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    offset = 0
    for name, tensor in tensors.items():
        span = [offset, offset := offset + tensor.nbytes]
        shape = list(tensor.shape)
        values[name] = {"dtype": DTYPES[tensor.dtype], "shape": shape, "data_offsets": span}
    header = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNED)
    return len(header).to_bytes(LENGTH, "little") + header


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _with_sum(start: bytes, found: str) -> bytes:
    place = _place(start, NONE)
    return start[:place] + found.encode() + start[place + len(NONE) :]


def check_seal(path: Path, metadata: Mapping[str, str]) -> bool:
    """Whether a file holds a sum; raises ImtransError when it is not the file's. Files of before
    there were sums hold none."""
    noted = metadata.get(SUM)
    if noted is None:
        return False
    try:
        with path.open("rb") as file:
            start = file.read(LENGTH)
            start += file.read(int.from_bytes(start, "little"))
        place = _place(start, noted)
        whole = place >= 0 and _sum_without(path, place) == noted
    except OSError as error:
        raise ImtransError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not whole:
        raise ImtransError(f"{path}: damaged: it changed since it was written. use another copy")
    return True


def _place(start: bytes, noted: str) -> int:
    """Where in the beginning of a file the sum is; below 0 when it is not there."""
    key = f'"{SUM}":"'.encode()
    at = start.find(key + noted.encode())
    return at + len(key) if at >= 0 else -1


def _sum_without(path: Path, place: int) -> str:
    """The sum of a file with zeros at `place`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(place) + NONE.encode())
        file.seek(len(NONE), 1)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
