"""Safetensors files that hold their own sum, and are equal where what is in them is equal.

The sum is in the file's metadata, as `sha256`: that of all its bytes, with zeros in the place of
the sum itself. So a file says whether it is what was written, wherever it is copied to. The keys of
the metadata are sorted; safetensors would write them in random order.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from imtrans.api.errors import ImtransError

SUM = "sha256"
NONE = "0" * 64
START = 8  # bytes: the length of the header that follows
CHUNK = 1 << 20


def write_sealed(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, which must be contiguous and on the CPU, and their metadata. Raises OSError or
    SafetensorError."""
    save_file(dict(tensors), path, metadata={**metadata, SUM: NONE})
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(START), "little")
        header = _sorted(file.read(length))
        file.seek(START)
        file.write(header)
    found = _sum_without(path, START + _place(header))
    with path.open("r+b") as file:
        file.seek(START + _place(header))
        file.write(found.encode())


def check_seal(path: Path, metadata: Mapping[str, str]) -> bool:
    """Whether a file holds a sum; raises ImtransError when it is not the file's. Files of before
    there were sums hold none."""
    noted = metadata.get(SUM)
    if noted is None:
        return False
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(START), "little")
            place = _place(file.read(length), noted)
        whole = place >= 0 and _sum_without(path, START + place) == noted
    except OSError as error:
        raise ImtransError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not whole:
        raise ImtransError(f"{path}: damaged: it changed since it was written. use another copy")
    return True


def _sorted(header: bytes) -> bytes:
    """A header with its metadata in order, of the same length."""
    values = json.loads(header)
    values["__metadata__"] = dict(sorted(values["__metadata__"].items()))
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    return text.ljust(len(header))


def _place(header: bytes, noted: str = NONE) -> int:
    """Where in a header the sum is; below 0 when it is not there."""
    key = f'"{SUM}":"'.encode()
    at = header.find(key + noted.encode())
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
