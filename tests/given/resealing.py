"""Checkpoints changed as if they had been written so: other facts or tensors, with sums renewed."""

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

from imtrans.runs.checksums import SUMS, write_sums
from imtrans.runs.sealed import SUM, write_sealed

State = Mapping[str, object]


def reseal(
    file: Path,
    facts: Callable[[dict[str, str]], Mapping[str, str]] = dict,
    tensors: Callable[[dict[str, object]], State] = dict,
) -> None:
    """Write a file again with its facts and tensors changed, and the sums beside it."""
    with safe_open(file, "pt") as opened:
        before = {key: value for key, value in opened.metadata().items() if key != SUM}
    write_sealed(file, tensors(load_file(file)), facts(before))
    if (file.parent / SUMS).exists():
        write_sums(file.parent)
