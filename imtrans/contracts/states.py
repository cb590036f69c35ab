"""Whether all that a network's output depends on is in its state, and whether it takes inputs
however they are laid out in memory."""

from typing import Any

import torch
from torch import Tensor, nn

from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import alike, tensors
from imtrans.contracts.networks import device_of, undisturbed
from imtrans.contracts.randomness import seeded


def probe_state(subject: object, one: nn.Module, other: nn.Module, **inputs: Tensor) -> None:
    """Raise BrokenContract unless another of the same kind, built at another seed, gives the same
    with the state of this one, which is put back."""
    with undisturbed(one):
        one.eval()
        first = _given(one, inputs)
        _check_calls(subject, one, first, inputs)
        state = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    other.to(device_of(one)).load_state_dict(state)
    if not alike(first, _given(other.eval(), inputs)):
        raise BrokenContract(
            subject,
            "built at another seed, with the weights of this one it gives something else",
            "a checkpoint holds `state_dict()`: all that the output depends on",
            "keep tensors as parameters or in `register_buffer`, not as plain attributes",
        )


def _check_calls(subject: object, one: nn.Module, first: Any, inputs: dict[str, Tensor]) -> None:
    """Raise BrokenContract unless another call gives the same, whatever torch's seed is."""
    if alike(first, _given(one, inputs, 0 if getattr(one, "draws", False) else 1)):
        return
    raise BrokenContract(
        subject,
        "called twice in evaluation (`eval()`) it gives two results",
        "in evaluation a network draws nothing and changes nothing, unless it says `draws = True`",
        "use `nn.Dropout`, or `dropout(x, training=self.training)`; keep no counter and no tensor "
        "of the last call in an attribute",
    )


def check_channels_last(subject: object, network: nn.Module, **inputs: Tensor) -> None:
    """Raise BrokenContract unless it gives nearly the same for inputs in channels_last."""
    first = _given(network, inputs)
    last = {k: image.to(memory_format=torch.channels_last) for k, image in inputs.items()}
    try:
        second = _given(network, last)
    except (RuntimeError, ValueError) as error:
        raise _by_layout(subject, f"raised: {str(error).splitlines()[0]}") from error
    both = zip(tensors(first), tensors(second), strict=True)
    if not all(torch.allclose(a, b, 1e-2, 1e-3) for a, b in both):
        raise _by_layout(subject, "gives something else")


def _by_layout(subject: object, found: str) -> BrokenContract:
    return BrokenContract(
        subject,
        f"given images laid out as channels_last it {found}",
        "images come in any memory format: on a GPU in channels_last",
        "use `reshape` or `flatten` instead of `view`, and no strides",
    )


def _given(network: nn.Module, inputs: dict[str, Tensor], seed: int = 0) -> Any:
    """Without gradients."""
    with torch.no_grad(), seeded(seed):
        return network(*inputs.values())
