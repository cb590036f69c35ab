"""Probes of derivations and augmentations, on one small photograph."""

from random import Random

import torch
from torch import Tensor

from imtrans.api.hookspecs import Augmentation, Derivation
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import all_finite, keeping, repeated

HEIGHT, WIDTH = 64, 96  # px
OTHER_SEEDS = (5, 6)  # torch's generator is another in each worker: nothing may depend on it
DRAW = (
    "draw from the argument `draw`; whole tensors with "
    "`torch.Generator().manual_seed(draw.getrandbits(63))`"
)


def photograph(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Tensor:
    """RGB (3, height, width) in [0, 1], always the same at a seed."""
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def probe_derivation(subject: object, derivation: Derivation) -> None:
    """Raise BrokenContract unless source and target are what it says of them, are functions of the
    photograph and the draws alone, and the photograph stays as it is."""
    photo = photograph()
    given = {"photo": photo}
    for side, make in (
        ("source", lambda: derivation.derive(photo, Random(1))),
        ("target", lambda: derivation.target(photo)),
    ):
        name = "derive()" if side == "source" else "target()"
        made = repeated(
            subject,
            lambda make=make: keeping(subject, make, given),  # type: ignore[misc]
            DRAW,
            what=f"{name} gave two images",
            seeds=OTHER_SEEDS,
        )
        channels = getattr(derivation, f"{side}_channels", None)
        if made.shape != (channels, HEIGHT, WIDTH) or made.dtype != torch.float32:
            raise BrokenContract(
                subject,
                f"{name} made {tuple(made.shape)} {made.dtype} of a photograph of {WIDTH} x "
                f"{HEIGHT} px, and its `{side}_channels` is {channels}",
                "a derivation makes float32 images of the photograph's size, with the channels "
                "that it says",
                f"set `{side}_channels = {made.shape[0]}`"
                if made.shape[1:] == photo.shape[1:] and made.dtype == torch.float32
                else "keep height and width, and end with `.float()`",
            )
        _check_range(subject, name, made, -1)


def probe_augmentation(subject: object, augmentation: Augmentation) -> None:
    """Raise BrokenContract unless it makes an image of an image, as its draws say and nothing else,
    and leaves the one that it was given as it is."""
    sides = getattr(augmentation, "sides", None)
    if sides not in ("both", "source"):
        raise BrokenContract(
            subject,
            f"its `sides` is {sides!r}",
            "an augmentation says which images it changes",
            "set `sides = 'both'` for geometry, `sides = 'source'` for all else",
        )
    image = photograph(HEIGHT, HEIGHT)  # square: a quarter turn keeps its size

    def call() -> Tensor:
        return augmentation(image, Random(1), "bilinear")

    made = repeated(
        subject,
        lambda: keeping(subject, call, {"image": image}),
        DRAW,
        what="it gave two images for equal draws",
        seeds=OTHER_SEEDS,
    )
    if not isinstance(made, Tensor) or made.dim() != 3 or made.shape[0] != image.shape[0]:
        shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        raise BrokenContract(
            subject,
            f"it made {shape} of {tuple(image.shape)}",
            "an augmentation makes an image (C, H, W) of an image (C, H, W)",
            "keep the number of channels, and add no dimension for a batch",
        )
    _check_range(subject, "it", made, 0)


def _check_range(subject: object, what: str, made: Tensor, least: int) -> None:
    if not all_finite(made):
        raise BrokenContract(
            subject,
            f"{what} gave NaN or infinity",
            "images are finite numbers",
            "add a small epsilon where it divides, or takes a root or a logarithm",
        )
    low, high = made.min().item(), made.max().item()
    if low < least - 1e-5 or high > 1 + 1e-5:
        raise BrokenContract(
            subject,
            f"{what} gave values from {low:.3g} to {high:.3g}",
            f"its images are in [{least}, 1]",
            f"end with `.clamp({least}, 1)`",
        )
