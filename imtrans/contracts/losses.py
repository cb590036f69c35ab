"""Probes of losses and of adversarial losses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from imtrans.api.hookspecs import AdversarialLoss, Loss
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import all_finite, keeping, repeated
from imtrans.contracts.randomness import seeded


def probe_loss(subject: object, loss: Loss, output: Tensor, target: Tensor) -> None:
    """Raise BrokenContract unless it gives a finite scalar, the same at a seed, and leaves both
    images as they are; a finite one too where the target has one colour."""
    given = {"output": output, "target": target}
    _probe(subject, lambda: loss(output, target), given)
    flat = of_one_colour(target)
    alike = "an output and a target of the same one colour"
    for other, what in ((output, "a target of one colour"), (flat.clone(), alike)):
        with torch.no_grad(), seeded(0):
            check_scalar(subject, loss(other, flat), what)


def probe_adversarial(subject: object, loss: AdversarialLoss, real: Tensor, fake: Tensor) -> None:
    """Raise BrokenContract unless both sides of the game give a finite scalar of these logits."""
    given = {"real_logits": real, "fake_logits": fake}
    _probe(subject, lambda: loss.discriminator_loss(real, fake), given)
    _probe(subject, lambda: loss.generator_loss(fake), {"fake_logits": fake})


def target_for(loss: object, target: Tensor) -> Tensor:
    """The target as a loss is given it: for one of classes one-hot, -1 or 1."""
    if not getattr(loss, "of_classes", False):
        return target
    return one_hot(target.argmax(1), target.shape[1]).movedim(-1, 1) * 2.0 - 1


def of_one_colour(target: Tensor) -> Tensor:
    """A target (N, C, H, W) of which each image has the colour, or the class, of its first pixel
    all over."""
    return target[:, :, :1, :1].expand_as(target).contiguous()


def logits(device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Real and fake ones (1, 1, 4, 5), always the same."""
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 1, 1, 4, 5, generator=generator).to(device)
    return real, fake


def _probe(subject: object, call: Callable[[], Any], given: dict[str, Tensor]) -> None:
    with torch.no_grad():
        check_scalar(subject, repeated(subject, lambda: keeping(subject, call, given)))


def check_scalar(subject: object, value: Any, images: str = "images in [-1, 1]") -> None:
    """Raise BrokenContract unless it is a finite tensor without dimensions."""
    if not isinstance(value, Tensor) or value.dim():
        tensor = isinstance(value, Tensor)
        raise BrokenContract(
            subject,
            f"it returned {tuple(value.shape) if tensor else f'a {type(value).__name__}'}",
            "a loss is a scalar: a tensor without dimensions, through which gradients flow",
            "end with `.mean()`"
            if tensor
            else "return the tensor: look for `.item()`, `float()` or numpy",
        )
    if not all_finite(value):
        raise BrokenContract(
            subject,
            f"it gave {value.item()} for {images}",
            "a loss is finite",
            "add a small epsilon where it divides, or takes a root or a logarithm; logits need "
            "`softplus` or `logsigmoid`, not the logarithm of a sigmoid",
        )
