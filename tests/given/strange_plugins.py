"""Plugins with one fault each, of every role: what is wrong, and what is said about it."""

from typing import NamedTuple

HEAD = """
import os
import random

import numpy
import torch
from torch import Tensor, nn

from imtrans.api.hookspecs import hookimpl
from imtrans.api.method import Method, Phase, Term
from imtrans.api.metric import ImageMetric


@hookimpl
def register_{hook}(register):
    register("strange", Strange)


def drawn_anywhere(weight):
    weight.data.copy_(torch.from_numpy(numpy.random.normal(size=weight.shape)))

"""

GENERATOR = '''
class Strange(nn.Module):
    """A generator."""

    def __init__(self, in_channels: int, out_channels: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.stride = 4
        self.first = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        # at its end

    def forward(self, source: Tensor) -> Tensor:
        # at first
        output = torch.tanh(self.first(source))
        # at last
        return output
'''
DISCRIMINATOR = '''
class Strange(nn.Module):
    """A discriminator."""

    receptive_field = 3

    def __init__(self, source_channels: int, target_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(source_channels + target_channels, 1, 3, 1, 1)
        # at its end

    def forward(self, source: Tensor, image: Tensor) -> Tensor:
        # at first
        output = self.first(torch.cat([source, image], 1))
        # at last
        return output
'''
LOSS = '''
class Strange:
    """A loss."""

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        # at first
        value = (output - target).abs().mean()
        # at last
        return value
'''
ADVERSARIAL = '''
class Strange:
    """An adversarial loss."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        # at first
        value = ((real_logits - 1) ** 2 + fake_logits**2).mean()
        # at last
        return value

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return ((fake_logits - 1) ** 2).mean()
'''
METHOD = '''
class Strange(Method):
    """A method."""

    needs = frozenset({"generator"})

    def __init__(self, parts) -> None:
        super().__init__()
        self.generator = parts.generator()
        self.mixing = nn.Conv2d(3, 3, 1)
        # at its end

    def forward(self, batch):
        # at first
        return self.generator(batch.source)

    def phases(self):
        return [
            Phase("mixing", [self.mixing], self.mix, detached=True),
            Phase("generator", [self.generator], self.terms),
        ]

    def mix(self, batch, made):
        assert not made.requires_grad
        return [Term("mixed", (self.mixing(made) - batch.target).square().mean())]

    def terms(self, batch, made):
        value = (self.mixing(made) - batch.target).abs().mean()
        # at last
        return [Term("apart", value)]

    def translators(self):
        return {"generator": self.generator}

    @classmethod
    def translator(cls, parts, name):
        return parts.generator()
'''
DERIVATION = '''
class Strange:
    """A derivation."""

    source_channels, target_channels = 1, 3

    def derive(self, photo, draw):
        # at first
        source = photo[:1] * 2 - 1
        # at last
        return source

    def target(self, photo):
        return photo * 2 - 1

    def given(self, picture):
        return picture[:1] * 2 - 1

    def compose(self, output, source):
        return (output + 1) / 2
'''
AUGMENTATION = '''
class Strange:
    """An augmentation."""

    sides = "source"

    def __call__(self, image, draw, resample):
        # at first
        changed = image if resample == "nearest" else image * draw.random()
        # at last
        return changed
'''
METRIC = '''
class Strange(ImageMetric):
    """A metric."""

    higher_is_better = False

    def rows(self, output, target):
        # at first
        value = (output - target).abs().flatten(1).mean(1)
        # at last
        return value

    def values(self, mean):
        return mean[..., 0]
'''
ROLES = {
    "generator": ("generators", GENERATOR),
    "discriminator": ("discriminators", DISCRIMINATOR),
    "adversarial loss": ("adversarial", ADVERSARIAL),
    "loss": ("losses", LOSS),
    "method": ("methods", METHOD),
    "derivation": ("derivations", DERIVATION),
    "augmentation": ("augmentations", AUGMENTATION),
    "metric": ("metrics", METRIC),
}


class Fault(NamedTuple):
    role: str
    place: str  # the comment of the role's code that is replaced
    line: str  # by this
    said: str


def code_of(role, fault=None):
    hook, body = ROLES[role]
    if fault:
        assert fault.place in body
        body = body.replace(fault.place, fault.line)
    return HEAD.format(hook=hook) + body


HIDDEN_TENSOR = (
    "scale = 3 * torch.randn(1, {}, 1, 1); "
    "self.first.register_forward_hook(lambda module, given, made: made * scale)"
)
UNSEEDED = "`numpy.random`"
FAULTS = {
    # --- a wrong shape ---
    "generator, channels": Fault(
        "generator",
        "# at last",
        "output = output[:, :1]",
        "end with a convolution to the builder's second parameter, `out_channels`",
    ),
    "discriminator, shape": Fault(
        "discriminator", "# at last", "output = output.mean((2, 3))", "logits are (N, 1, h, w)"
    ),
    "loss, shape": Fault(
        "loss", "# at last", "value = value.reshape(1)", "it returned (1,). a loss is a scalar"
    ),
    "adversarial, shape": Fault(
        "adversarial loss", "# at last", "value = fake_logits", "it returned (1, 1, 4, 5)"
    ),
    "derivation, shape": Fault(
        "derivation", "# at last", "source = source[:, ::2]", "derive() made (1, 32, 96)"
    ),
    "augmentation, shape": Fault(
        "augmentation", "# at last", "changed = changed[None]", "it made (1, 3, 64, 64)"
    ),
    "metric, shape": Fault(
        "metric",
        "return mean[..., 0]",
        "return mean[..., 0].expand(3)",
        "shape '[1]' is invalid for input of size 3",
    ),
    # --- a stride that is not so ---
    "generator, larger multiples": Fault(
        "generator",
        "# at last",
        "output = nn.functional.pixel_shuffle(nn.functional.pixel_unshuffle(output, 8), 8)",
        "to do: set `stride = 8`: with multiples of 8 it works",
    ),
    "generator, another size": Fault(
        "generator",
        "# at last",
        "output = nn.functional.interpolate(nn.functional.avg_pool2d(output, 16), scale_factor=16)",
        "its stride is 4, and of 36 x 32 px it made 32 x 32 px",
    ),
    "generator, no stride": Fault(
        "generator", "self.stride = 4", "self.stride = 4.0", "a whole number `stride`"
    ),
    # --- numbers that are not finite ---
    "generator, NaN": Fault(
        "generator",
        "# at last",
        "output = output / (output - output)",
        "it gave NaN or infinity",
    ),
    "generator, NaN of a module": Fault(
        "generator",
        "# at its end",
        "nn.init.constant_(self.first.weight, float('nan'))",
        "it gave NaN or infinity, first from its module 'first' (Conv2d)",
    ),
    "generator, NaN of a flat image": Fault(
        "generator",
        "# at first",
        "source = source / source.std((2, 3), keepdim=True)",
        "images in [-1, 1] give finite numbers, flat and dark ones too",
    ),
    "discriminator, NaN": Fault(
        "discriminator", "# at last", "output = output.log() * 0", "it gave NaN or infinity"
    ),
    "loss, NaN": Fault("loss", "# at last", "value = (value - value).log()", "it gave -inf for"),
    "adversarial, NaN": Fault("adversarial loss", "# at last", "value = value / 0", "it gave inf"),
    "method, NaN": Fault(
        "method", "# at last", "value = value / 0", "the loss 'apart' is inf on noise"
    ),
    "derivation, NaN": Fault(
        "derivation", "# at last", "source = source / 0", "derive() gave NaN or infinity"
    ),
    "augmentation, NaN": Fault(
        "augmentation", "# at last", "changed = changed / 0", "it gave NaN or infinity"
    ),
    # --- an input that is changed ---
    "generator, changes": Fault(
        "generator", "# at first", "source.mul_(0.5)", "it changed its input 'source' in place"
    ),
    "discriminator, changes": Fault(
        "discriminator", "# at first", "image += 1", "it changed its input 'image' in place"
    ),
    "loss, changes": Fault(
        "loss", "# at first", "output.detach().sub_(target)", "it changed its input 'output'"
    ),
    "adversarial, changes": Fault(
        "adversarial loss", "# at first", "fake_logits.neg_()", "its input 'fake_logits' in place"
    ),
    "method, changes": Fault(
        "method", "# at first", "batch.source.neg_()", "it changed its input 'source' in place"
    ),
    "method, changes in a phase": Fault(
        "method", "# at last", "batch.target.mul_(0.5)", "it changed its input 'target' in place"
    ),
    "derivation, changes": Fault(
        "derivation", "# at first", "photo.mul_(0.9)", "it changed its input 'photo' in place"
    ),
    "augmentation, changes": Fault(
        "augmentation", "# at first", "image.clamp_(0.2, 0.8)", "it changed its input 'image'"
    ),
    "metric, changes": Fault(
        "metric", "# at first", "output.clamp_(-0.5, 0.5)", "it changed its input 'output'"
    ),
    # --- what no seed repeats ---
    "generator, weights": Fault(
        "generator",
        "# at its end",
        "drawn_anywhere(self.first.weight)",
        "'first.weight' has other weights; the builder draws from `numpy.random`",
    ),
    "discriminator, weights": Fault(
        "discriminator",
        "# at its end",
        "torch.nn.init.normal_(self.first.bias, generator=(g := torch.Generator(), g.seed())[0])",
        "'first.bias' has other weights; the builder draws from a source that no seed reaches",
    ),
    "method, weights": Fault(
        "method",
        "# at its end",
        "drawn_anywhere(self.mixing.weight)",
        "'mixing.weight' has other weights; the builder draws from `numpy.random`",
    ),
    "loss, weights": Fault(
        "loss",
        "class Strange:",
        "class Strange(nn.Conv2d):\n    def __init__(self) -> None:\n"
        "        super().__init__(1, 1, 1)\n        drawn_anywhere(self.weight)\n",
        "'weight' has other weights; the builder draws from `numpy.random`",
    ),
    # --- what a checkpoint does not hold ---
    "generator, plain tensor": Fault(
        "generator",
        "# at its end",
        HIDDEN_TENSOR.format("out_channels"),
        "to do: keep tensors as parameters or in `register_buffer`, not as plain attributes",
    ),
    "discriminator, plain tensor": Fault(
        "discriminator",
        "# at its end",
        HIDDEN_TENSOR.format("1"),
        "to do: keep tensors as parameters or in `register_buffer`, not as plain attributes",
    ),
    "generator, dropout in evaluation": Fault(
        "generator",
        "# at last",
        "output = nn.functional.dropout(output)",
        "called twice in evaluation (`eval()`) it gives two results",
    ),
    "generator, pass": Fault(
        "generator",
        "# at last",
        "output = output * random.random()",
        "it gave two results for the same input and seed; it draws from Python's `random`",
    ),
    "discriminator, pass": Fault(
        "discriminator", "# at last", "output = output + numpy.random.normal()", UNSEEDED
    ),
    "loss, pass": Fault("loss", "# at last", "value = value * random.random()", "`random`"),
    "adversarial, pass": Fault(
        "adversarial loss",
        "# at last",
        "value = value * int.from_bytes(os.urandom(4), 'big')",
        "a source that no seed reaches, as `os.urandom`",
    ),
    "method, pass": Fault(
        "method",
        "# at last",
        "value = value * numpy.random.uniform()",
        "the terms of a step have two values for the same input and seed; it draws from `numpy",
    ),
    "method, forward": Fault(
        "method",
        "return self.generator(batch.source)",
        "return self.generator(batch.source) * numpy.random.rand()",
        UNSEEDED,
    ),
    "method, counts": Fault(
        "method",
        "# at last",
        "self.count = getattr(self, 'count', 0) + 1; value = value * self.count",
        "depends on a plain attribute that it changes",
    ),
    "derivation, pass": Fault(
        "derivation",
        "# at last",
        "source = source * torch.rand(())",
        "it draws from torch's generator. the same seed",
    ),
    "augmentation, pass": Fault(
        "augmentation",
        "# at last",
        "changed = changed * torch.rand(())",
        "`torch.Generator().manual_seed(draw.getrandbits(63))`",
    ),
    "metric, pass": Fault("metric", "# at last", "value = value * random.random()", "two values"),
}
