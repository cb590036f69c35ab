"""The seam between imtrans and its plugins: one hook per role.

A plugin is a module named in an installed distribution's entry points, in the group `imtrans`.
It implements any of the hooks below; each receives `register(name, builder)` and calls it once
per component. The builder's signature is the component's schema: positional parameters are facts
of the data, given by imtrans; keyword-only parameters are the options of the recipe, checked
against their annotations. imtrans's own components arrive by this same road.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from torch import Tensor

hookspec = pluggy.HookspecMarker("imtrans")
hookimpl = pluggy.HookimplMarker("imtrans")

Register = Callable[[str, Callable[..., Any]], None]


class Objective(Protocol):
    """The adversarial game, played on logits (N, 1, h, w) without a sigmoid; returns scalars."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor: ...

    def generator_loss(self, fake_logits: Tensor) -> Tensor: ...


class Loss(Protocol):
    """A term on (fake, target), both (N, C, H, W) in [-1, 1]: a scalar, smallest when equal."""

    def __call__(self, fake: Tensor, target: Tensor) -> Tensor: ...


@hookspec
def register_generators(register: Register) -> None:
    """Builders `(in_channels, out_channels, *, options) -> nn.Module`.

    `g(source)` maps (N, in_channels, H, W) in [-1, 1] to (N, out_channels, H, W) in [-1, 1].
    `g.stride` is a whole number: H and W must be multiples of it, any other size raises ValueError.
    """


@hookspec
def register_discriminators(register: Register) -> None:
    """Builders `(source_channels, target_channels, *, options) -> nn.Module`.

    `d(source, image)` returns logits (N, 1, h, w), one per patch, without a sigmoid.
    `d.receptive_field` is the side of what one logit sees, in pixels.
    """


@hookspec
def register_objectives(register: Register) -> None:
    """Builders `(*, options) -> Objective`."""


@hookspec
def register_losses(register: Register) -> None:
    """Builders `(*, options) -> Loss`."""
