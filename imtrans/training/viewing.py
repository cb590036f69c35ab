"""The networks in training, as they would translate: for previews and validation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from imtrans.translation.network.modes import translating
from imtrans.translation.translator import Translator


@contextmanager
def viewing(*translators: Translator) -> Iterator[None]:
    """Have translators whose networks are in training translate for a while.

    Nothing is compiled meanwhile: a network in another mode, for a handful of images, would be
    compiled again each time.
    """
    with (
        torch.compiler.set_stance("force_eager"),
        torch.no_grad(),
        translating(*(translator.module for translator in translators)),
    ):
        yield
