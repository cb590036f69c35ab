"""What imtrans itself makes of stored values: an exported file must agree with it."""

import torch
from torch import Tensor

from imtrans.data.encoding import Derived, Direct
from imtrans.translation.export.values import AsSeen, Colours, Form
from imtrans.translation.translator import Translator


def reference(
    translator: Translator, source: Form, target: Form, stored: Tensor, *noise: Tensor
) -> Tensor:
    """The outputs (N, C, H, W) in [-1, 1] of sources in a form, by the translator; with the noise
    for each where it samples."""
    seen = _seen(translator, source, stored)
    output = _with_noise(translator, seen, *noise) if noise else translator.output(seen)
    encoding = translator.encoding
    if isinstance(target, AsSeen | Colours):
        return output
    if isinstance(encoding, Derived):
        pairs = zip(output, seen, strict=True)
        photos = torch.stack([encoding.derivation.compose(*pair) for pair in pairs])
        return photos.clamp(0, 1) * 2 - 1
    return output.clamp(-1, 1)


def _with_noise(translator: Translator, seen: Tensor, noise: Tensor) -> Tensor:
    """Of each by itself, as it would be alone."""
    pairs = zip(seen.split(1), noise.split(1), strict=True)
    with torch.inference_mode():
        return torch.cat([translator.module(*pair).float() for pair in pairs])


def _seen(translator: Translator, source: Form, stored: Tensor) -> Tensor:
    """Sources as the network sees them."""
    encoding = translator.encoding
    if isinstance(source, AsSeen):
        return stored
    if isinstance(encoding, Derived):
        return torch.stack([encoding.derivation.given(picture / 255) for picture in stored])
    assert isinstance(encoding, Direct)
    return encoding.source.encode(stored)
