"""Tensors out of files: as they were written, and fit for the network, or refused."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.runs.checksums import verify
from imtrans.runs.header import read_header, why_unreadable
from imtrans.runs.sealed import check_seal

State = Mapping[str, Tensor]


def is_verified(path: Path) -> bool:
    """Whether a file has a sum, in itself or beside it; raises ImtransError when it is not what was
    written."""
    return check_seal(path, read_header(path).facts) or verify(path.parent, path.name)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, as they were written. Raises ImtransError when they changed since."""
    is_verified(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ImtransError(f"{path}: {why_unreadable(path, error)}") from error


def read_weights(path: Path, expected: State) -> dict[str, Tensor]:
    """The tensors of a network's file. Raises ImtransError when one is not finite, or not of the
    dtype that the network has."""
    found = read_tensors(path)
    for name, tensor in found.items():
        if name in expected and tensor.dtype != expected[name].dtype:
            raise ImtransError(
                f"{path}: '{name}' is {_dtype(tensor)}; the network has {_dtype(expected[name])}"
            )
        if not _is_finite(tensor):
            raise ImtransError(f"{path}: '{name}' has values that are not finite; use another")
    return found


def load_into(network: nn.Module, path: Path) -> None:
    """Fill a network with a file's tensors. Raises ImtransError naming the first misfit."""
    expected = network.state_dict()
    found = read_weights(path, expected)
    for name in [*expected, *found]:
        if name not in found:
            raise ImtransError(f"{path}: the tensor '{name}' is missing")
        if name not in expected:
            raise ImtransError(f"{path}: the network has no tensor '{name}'")
        if found[name].shape != expected[name].shape:
            raise ImtransError(
                f"{path}: '{name}' is {tuple(found[name].shape)}; "
                f"the network has {tuple(expected[name].shape)}"
            )
    network.load_state_dict(found)


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = tensor.aminmax()  # NaN is both; and nothing is allocated, as by isfinite
    return bool(low.isfinite() & high.isfinite())


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
