"""Where training starts from, when not from chance: the weights of an earlier run."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.runs import checkpoint
from imtrans.task import Parts


def start_from(path: str, parts: Parts, say: Callable[[str], None]) -> None:
    """Fill the networks with the weights of a run, a checkpoint or a generator.safetensors.

    Tensors of other names or shapes stay as they were drawn, and are named. Without a
    discriminator beside the generator, that one starts anew. Raises ImtransError when there is no
    such checkpoint, or nothing of the generator's fits.
    """
    file = checkpoint.generator_file(Path(path))
    taken = _fill(parts.generator, file, say)
    if not taken:
        raise ImtransError(
            f"train.init_from: {file}: none of its tensors fits this generator. name a run whose "
            "[generator] is the same"
        )
    beside = file.with_name(checkpoint.DISCRIMINATOR)
    if beside.is_file():
        _fill(parts.discriminator, beside, say)
    say(f"starting from {file}" + ("" if beside.is_file() else ", with a new discriminator"))


def _fill(network: nn.Module, file: Path, say: Callable[[str], None]) -> int:
    found, own = checkpoint.read_tensors(file), network.state_dict()
    fitting = [n for n in own if n in found and found[n].shape == own[n].shape]
    with torch.no_grad():
        for name in fitting:
            own[name].copy_(found[name])
    if others := [name for name in own if name not in fitting]:
        say(f"{file}: no fitting {some(quoted([n]) for n in others)}; drawn at random instead")
    if unused := [name for name in found if name not in own]:
        say(f"{file}: not used: {some(quoted([n]) for n in unused)}")
    return len(fitting)
