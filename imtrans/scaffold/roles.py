"""The roles that a plugin may have, and what a package of each is about."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PluginRole:
    """What the templates of a role are filled with."""

    noun: str  # as the catalog calls it
    hook: str  # register_HOOK, and the name of its registry in the catalog; empty for commands
    suffix: str  # of the name of its class
    does: str  # the sentence of its README, after "The loss 'x'"
    advice: str  # what to change first, a sentence
    demo: Literal["pairs", "photos", "frames"] = "pairs"  # what its recipe learns from


ROLES = {
    "generator": PluginRole(
        "generator",
        "generators",
        "Generator",
        "is an encoder and a decoder that share images of equal size.",
        "Begin with what `_down` and `_up` make.",
    ),
    "discriminator": PluginRole(
        "discriminator",
        "discriminators",
        "Discriminator",
        "makes one logit of each patch of an image.",
        "Begin with `_halved`, and keep `receptive_field` true.",
    ),
    "adversarial": PluginRole(
        "adversarial loss",
        "adversarial",
        "Adversarial",
        "is cross-entropy with one-sided label smoothing.",
        "Begin with the two losses; both are means over logits.",
    ),
    "loss": PluginRole(
        "loss",
        "losses",
        "Loss",
        "is L1 at several resolutions.",
        "Begin with `__call__`, which makes one number of two images.",
    ),
    "metric": PluginRole(
        "metric",
        "metrics",
        "Metric",
        "is the share of pixels that are right.",
        "Begin with `rows`, which makes one number of each image.",
    ),
    "method": PluginRole(
        "method",
        "methods",
        "Method",
        "is pix2pix that compares colours over areas, too.",
        "Begin with the terms that `fool` returns.",
    ),
    "layout": PluginRole(
        "layout",
        "layouts",
        "Layout",
        "pairs each frame of a film with a later one.",
        "Begin with `pairs`, which finds files and opens none.",
        demo="frames",
    ),
    "derivation": PluginRole(
        "derivation",
        "derivations",
        "Derivation",
        "makes the source of a photograph by blurring it.",
        "Begin with `derive`, which makes a source of a photograph.",
        demo="photos",
    ),
    "augmentation": PluginRole(
        "augmentation",
        "augmentations",
        "Augmentation",
        "hides a part of the source.",
        "Begin with `__call__`, and with `sides`.",
    ),
    "logger": PluginRole(
        "logger",
        "loggers",
        "Logger",
        "writes a training as lines of text.",
        "Begin with what it hears: the methods of `Listener`.",
    ),
    "command": PluginRole(
        "command",
        "",
        "",
        "shows pictures beside what a generator makes of them.",
        "Begin with the options: the parameters of the function.",
    ),
}
