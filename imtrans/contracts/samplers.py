"""Probes of translators that sample: of the noise that they can be given, and of their `nfe`."""

from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.samplers import NFE, nfe_of, noise_channels, noise_for
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import alike, all_finite, keeping, repeated
from imtrans.contracts.randomness import seeded

ALL_OF_IT = (
    "draw nothing where `noise` is given: what several steps need are more channels of it, and "
    "`noise_channels` counts them"
)


def probe_noise(subject: object, sampler: nn.Module, source: Tensor) -> None:
    """Raise BrokenContract unless an output is a function of source and noise, both stay as they
    are, and the noise that is not given is what torch.randn draws."""
    channels = noise_channels(sampler)
    assert channels is not None
    noise = noise_for(source, channels, torch.Generator().manual_seed(0)).to(source.device)
    given = {"source": source, "noise": noise}
    sampler.eval()

    def call() -> Any:
        with torch.no_grad():
            return keeping(subject, lambda: sampler(**given), given)

    repeated(subject, call, ALL_OF_IT, what="it gave two outputs of one noise", seeds=(0, 1))
    with seeded(0):
        own = noise_for(source, channels)
    with torch.no_grad():
        same = sampler(source, own)
    if not alike(_output(sampler, source), same):
        raise BrokenContract(
            subject,
            "without `noise` it gives another output than with what `torch.randn` draws at the "
            "same seed",
            "`noise` is (N, noise_channels, H, W) of standard normal values; without it a sampler "
            "draws just that",
            "begin `forward` with: if noise is None: noise = torch.randn(source.shape[0], "
            "self.noise_channels, *source.shape[2:], device=source.device)",
        )


def probe_nfe(subject: object, sampler: nn.Module, source: Tensor) -> None:
    """Raise BrokenContract unless it gives a finite output of the same size in another number of
    evaluations, and the same as before with its own number again."""
    usual = nfe_of(sampler)
    assert usual is not None
    if usual < 1:
        raise _broken(subject, f"its `nfe` is {usual}", "set it from an option of the method")
    sampler.eval()
    before = _output(sampler, source)
    for number in (1, usual + 1):
        try:
            setattr(sampler, NFE, number)
        except ValueError:  # it takes some numbers only
            continue
        _check(subject, number, _output(sampler, source), before)
    setattr(sampler, NFE, usual)
    if not alike(_output(sampler, source), before):
        raise _broken(
            subject,
            f"set to another `nfe`, and back to {usual}, it gives another output",
            "compute whatever depends on `nfe` in `forward`, or in its setter",
        )


def _check(subject: object, number: int, output: object, before: Tensor) -> None:
    if isinstance(output, Tensor) and output.shape == before.shape and all_finite(output):
        return
    raise _broken(
        subject,
        f"in {number} network evaluations its output is not finite, or of another shape",
        "look for what the number divides, and for tables of another length",
    )


def _output(sampler: nn.Module, source: Tensor) -> Tensor:
    with torch.no_grad(), seeded(0):
        output: Tensor = sampler(source)
    return output


def _broken(subject: object, found: str, remedy: str) -> BrokenContract:
    contract = "`nfe` is how many network evaluations an output takes: 1 or more, to be chosen"
    return BrokenContract(subject, found, contract, remedy)
