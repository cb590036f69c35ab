"""A step whose batch does not fit into memory: its gradient is gathered part by part."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from imtrans.components.methods.pix2pix import Losses, Pix2Pix


def accumulated_step(model: Pix2Pix, source: Tensor, target: Tensor, size: int) -> Losses:
    """`Pix2Pix.step` of a whole batch in parts of at most `size` pairs.

    Equal to it where no layer looks across the batch (instance norm); batch norm sees each part by
    itself. The discriminator has to learn of all fakes before the generator does of any, so each
    fake is made twice, the second time with the same dropout, and only one part's activations are
    in memory at once.
    """
    source, target = model.engine.laid_out(source), model.engine.laid_out(target)
    parts = list(zip(source.split(size), target.split(size), strict=True))
    shares = [len(part) / len(source) for part, _ in parts]
    fakes, states = [], []
    with torch.no_grad(), without_tracking(model.generator):
        for part, _ in parts:
            states.append(_random_state(model.device))
            fakes.append(model.fake(part))

    for _ in range(model.discriminator_steps):
        model.adam_d.forget_gradients()
        judged = []
        for (part, wanted), fake, share in zip(parts, fakes, shares, strict=True):
            loss = model.discriminator_loss(part, wanted, fake) * share
            loss.backward()
            judged.append({"d": loss.detach()})
        model.adam_d.update()

    model.adam_g.forget_gradients()
    made = []
    with model.discriminator_fixed():
        for (part, wanted), state, share in zip(parts, states, shares, strict=True):
            _set_random_state(state, model.device)
            total, losses = model.generator_loss(part, wanted, model.fake(part))
            (total * share).backward()
            made.append({name: loss * share for name, loss in losses.items()})
    model.adam_g.update()
    return _summed(judged) | _summed(made)


@contextmanager
def without_tracking(network: nn.Module) -> Iterator[None]:
    """Batch norm normalises as in training, and its running statistics stay."""
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _summed(rows: list[Losses]) -> Losses:
    return {name: torch.stack([row[name] for row in rows]).sum() for name in rows[0]}


def _random_state(device: torch.device) -> Tensor:
    on_cuda = device.type == "cuda"
    return torch.cuda.get_rng_state(device) if on_cuda else torch.get_rng_state()


def _set_random_state(state: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
