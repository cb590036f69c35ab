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
    _rewrite(file, facts, tensors)
    _renew_sums(file.parent)


def reseal_folder(folder: Path, facts: Callable[[dict[str, str]], Mapping[str, str]]) -> None:
    """Write all files of a checkpoint again with their facts changed, and the sums beside them."""
    for file in folder.glob("*.safetensors"):
        _rewrite(file, facts, dict)
    _renew_sums(folder)


def _rewrite(
    file: Path,
    facts: Callable[[dict[str, str]], Mapping[str, str]],
    tensors: Callable[[dict[str, object]], State],
) -> None:
    with safe_open(file, "pt") as opened:
        before = {key: value for key, value in opened.metadata().items() if key != SUM}
    copies = {name: tensor.clone() for name, tensor in load_file(file).items()}  # not in the file
    write_sealed(file, tensors(copies), facts(before))


def _renew_sums(folder: Path) -> None:
    if (folder / SUMS).exists():
        write_sums(folder)
