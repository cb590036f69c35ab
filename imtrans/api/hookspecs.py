"""The seam between imtrans and its plugins: one hook per role.

A plugin is a module named in an installed distribution's entry points, in the group `imtrans`.
It implements any of the hooks below; each receives `register(name, builder)` and calls it once
per component. The builder's signature is the component's schema: positional parameters are facts
of the data, given by imtrans; keyword-only parameters are the options of the recipe, checked
against their annotations. imtrans's own components arrive by this same road.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from random import Random

    from torch import Tensor

    from imtrans.api.pictures import Layout as Layout

hookspec = pluggy.HookspecMarker("imtrans")
hookimpl = pluggy.HookimplMarker("imtrans")

Register = Callable[[str, Callable[..., Any]], None]


class AdversarialLoss(Protocol):
    """The adversarial game, played on logits (N, 1, h, w) without a sigmoid; returns scalars."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor: ...

    def generator_loss(self, fake_logits: Tensor) -> Tensor: ...


class Loss(Protocol):
    """A term on (output, target), both (N, C, H, W) in [-1, 1]: a scalar, smallest when equal.

    `of_classes = True` may be added, by a class, where each channel is a class and targets have to
    be one-hot (1 and -1): a recipe without `data.target.classes` is then refused.
    """

    def __call__(self, output: Tensor, target: Tensor) -> Tensor: ...


class Metric(Protocol):
    """A number for people, in the shape of torchmetrics: any torchmetrics.Metric is one.

    `update` takes images (N, C, H, W) in [-1, 1] on the device; `compute` gives a number, or NaN
    where there is none. One that finds numbers in each image derives from
    `imtrans.api.metric.ImageMetric`: then `imtrans evaluate` knows the value of every image, and
    intervals. One that compares all outputs with all targets derives from `SetMetric` there.

    What may be added, as an attribute: `needs_target = False` by a metric that looks at outputs
    alone or at all targets together: such a one is measured on unpaired images too. `batched =
    True`: `update` is given several images at once, where they are of one size, else one.
    `of_pictures = True`: it is given RGB pictures (N, 3, H, W) as a person sees them, rounded to 8
    bits, instead of what networks see. `needs_source = True`: `update(output, target, source)`;
    the source may be of another size.

    `compute` may also give several values by their names, one of them the metric's own.
    """

    higher_is_better: bool

    def update(self, output: Tensor, target: Tensor) -> None: ...

    def compute(self) -> float | Tensor | Mapping[str, float]: ...

    def reset(self) -> None: ...


class Derivation(Protocol):
    """Makes the source of a training pair from the target's photograph.

    Images are float32 (C, H, W) on the CPU: photographs in [0, 1], what networks see in [-1, 1].
    """

    source_channels: int  # of what the networks see
    target_channels: int
    # `takes_mask = True` may be added: then a mask beside a picture that is given, NAME.mask.png
    # with white for the hole, becomes its transparency. `pixel_by_pixel = True` may be added: then
    # what is given is never resized to the scale of training. `by_pixel = True` may be added where
    # `given` and `compose` make each pixel of the same pixel alone: parts of a picture that does
    # not fit into memory are then given one by one.

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        """The source of a photograph (3, H, W): a pure function of it and of the draws."""
        ...

    def target(self, photo: Tensor) -> Tensor:
        """What the generator is to make of that source."""
        ...

    def given(self, picture: Tensor) -> Tensor:
        """The source of what a user has: grey (1, H, W), RGB (3, H, W) or RGBA (4, H, W)."""
        ...

    def compose(self, output: Tensor, source: Tensor) -> Tensor:
        """The photograph (3, H, W) made of the generator's output and its source."""
        ...


class Augmentation(Protocol):
    """Changes a training image (C, H, W), float32 in [0, 1] (or 0 and 1 for classes).

    `sides` says which: `both` is geometry, called once for the source and once for the target with
    draws that are equal, so that both halves move alike; `source` is never shown the target.
    It may change H and W only if it does so for every image alike.
    """

    sides: str

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        """The image changed; `resample` is `bilinear`, or `nearest` for labels."""
        ...


@hookspec
def register_methods(register: Register) -> None:
    """Builders `(parts, *, options) -> Method`: classes derived from `imtrans.api.method.Method`;
    the options are the keys of [method]."""


@hookspec
def register_layouts(register: Register) -> None:
    """Builders `(root, *, options) -> Layout`; `root` is the recipe's folder, a text."""


@hookspec
def register_derivations(register: Register) -> None:
    """Builders `(*, options) -> Derivation`."""


@hookspec
def register_augmentations(register: Register) -> None:
    """Builders `(*, options) -> Augmentation`."""


@hookspec
def register_generators(register: Register) -> None:
    """Builders `(in_channels, out_channels, *, options) -> nn.Module`.

    `g(source)` maps (N, in_channels, H, W) in [-1, 1] to (N, out_channels, H, W) in [-1, 1].
    `g.stride` is a whole number: H and W must be multiples of it, any other size raises ValueError.
    """


@hookspec
def register_discriminators(register: Register) -> None:
    """Builders `(source_channels, target_channels, *, options) -> nn.Module`.

    `d(source, image)` returns logits (N, 1, h, w), one per patch, without a sigmoid; or, of several
    scales, a list of (logits, features). `source_channels` may be 0: it then sees an image alone.
    `d.receptive_field` is the side of what one logit sees, in pixels.
    """


@hookspec
def register_adversarial(register: Register) -> None:
    """Builders `(*, options) -> AdversarialLoss`."""


@hookspec
def register_losses(register: Register) -> None:
    """Builders `(*, options) -> Loss`. One that is an nn.Module is moved to the device and put into
    evaluation; its weights are neither trained nor saved."""


@hookspec
def register_metrics(register: Register) -> None:
    """Builders `(*, options) -> Metric`."""


@hookspec
def register_loggers(register: Register) -> None:
    """Builders `(run_dir, recipe, *, options) -> Listener`, see `imtrans.api.listener`.

    `run_dir` is a Path, `recipe` all its values as TOML has them: tables are dicts. What is missing
    here, a package or a key, is to raise ImtransError in the builder: `imtrans check` calls it too,
    and a training before anything else is written. Files and connections are opened in `begun`.
    """
