"""Fine-tuning: the first weights are those of an earlier run."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.api.method import Method
from imtrans.runs import checkpoint
from imtrans.runs.header import SUFFIX
from imtrans.runs.weights import read_weights


def start_from(path: str, method: Method, say: Callable[[str], None]) -> None:
    """Fill the networks with the weights of a run, a checkpoint or a generator.safetensors.

    Tensors of other names or shapes stay as they were drawn, and are named. Networks without a file
    beside the generator's start over. Raises ImtransError when there is no such checkpoint, or
    nothing of the generator's fits.
    """
    file = checkpoint.translator_file(Path(path))
    translators = dict(method.translators())
    if not _fill(translators["generator"], file, say):
        raise ImtransError(
            f"train.init_from: {file}: none of its tensors fits this generator. name a run whose "
            "[generator] is the same"
        )
    filled = {id(translators["generator"])}
    new = []
    for name, network in (translators | method.networks()).items():
        beside = file.with_name(f"{name}{SUFFIX}")
        if id(network) in filled:
            continue
        filled.add(id(network))
        if beside.is_file():
            _fill(network, beside, say)
        else:
            new.append(name)
    method.at_epoch(1)  # the weights may say how far the other run was: this one begins
    say(f"starting from {file}" + (f", with a new {', '.join(new)}" if new else ""))


def _fill(network: nn.Module, file: Path, say: Callable[[str], None]) -> int:
    own = network.state_dict()
    found = read_weights(file, own)
    fitting = [n for n in own if n in found and found[n].shape == own[n].shape]
    with torch.no_grad():
        for name in fitting:
            own[name].copy_(found[name])
    if others := [name for name in own if name not in fitting]:
        say(f"{file}: no fitting {some(quoted([n]) for n in others)}; drawn at random instead")
    if unused := [name for name in found if name not in own]:
        say(f"{file}: not used: {some(quoted([n]) for n in unused)}")
    return len(fitting)
