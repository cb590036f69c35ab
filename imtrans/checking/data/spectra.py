"""The spectrum of an image, by which two sides are compared: of its colours and edges."""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

SIDE = 128  # px: images are compared at this size
REACH = 16  # px at SIDE: shifts are searched up to an eighth of the image
TAPER = 12  # px at SIDE over which the borders fade
CHANNELS = 5  # red, green, blue, edges across, edges down


def spectrum(image: Tensor) -> Tensor:
    """The Fourier transform (SIDE, SIDE / 2 + 1, CHANNELS) of a uint8 image (3, H, W)."""
    pixels = image[None].float() / 255
    across = (pixels[..., :, 1:] - pixels[..., :, :-1]).abs().amax(1, keepdim=True)
    down = (pixels[..., 1:, :] - pixels[..., :-1, :]).abs().amax(1, keepdim=True)
    edges = torch.cat([pad(across, (0, 1, 0, 0)), pad(down, (0, 0, 0, 1))], 1)
    # The root keeps a few hard edges from dominating the texture. Edges are found before resizing,
    # since enlarging leaves a lattice that both sides would share, aligned or not.
    channels = torch.cat([pixels, edges.sqrt()], 1)
    channels = interpolate(channels, size=(SIDE, SIDE), mode="bilinear", antialias=True)[0]
    channels = (channels - channels.mean((1, 2), keepdim=True)) * _window()
    return torch.fft.rfft2(channels).permute(1, 2, 0)


def by_shift(spectra: Tensor) -> Tensor:
    """From spectra (..., SIDE, SIDE / 2 + 1) to shifts within REACH (..., 33, 33); the centre is
    no shift."""
    surface = torch.fft.irfft2(spectra, s=(SIDE, SIDE)).roll((REACH, REACH), (-2, -1))
    return surface[..., : 2 * REACH + 1, : 2 * REACH + 1]


@cache
def _window() -> Tensor:
    """(SIDE, SIDE), 1 inside and fading to 0 at the borders, since the transform is periodic."""
    ramp = torch.sin(math.pi / 2 * (torch.arange(TAPER) + 0.5) / TAPER) ** 2
    line = torch.cat([ramp, torch.ones(SIDE - 2 * TAPER), ramp.flip(0)])
    return line[:, None] * line
