"""The ways to compute a step that are compared, as fields of an engine.

Each changes what its base does in one respect, so that the ratio of both says what the change is
worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from imtrans.recipe.schema import TrainTable
from imtrans.training.step.engine import Engine, choose_engine, plain

REFERENCE = "V2"
GAIN = 1.03  # a change is kept only if its ratios in all rounds are above this


@dataclass(frozen=True)
class Variant:
    """Fields of the engine that differ from the base's, and why that may be faster."""

    base: str | None
    fields: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Tuning:
    """An engine whose convolutions are chosen otherwise, which needs a process of its own: cuDNN
    keeps its choice as long as a process lives."""

    limit: int | None  # cudnn.benchmark_limit; None: no benchmark
    reason: str


VARIANTS = {
    "V0": Variant(None, {}, "the reference engine, fp32: what all others are compared with"),
    "V1": Variant("V0", {"graphed": False}, "fast engine, each kernel launched by the host"),
    "V2": Variant("V1", {"graphed": True}, "the whole step as one CUDA graph: no launches"),
    "V3": Variant("V2", {"resident": True}, "batches are cut inside the graph: fewer launches"),
    "V3x8": Variant("V3", {"launch": 8}, "eight steps in one launch: less work for the host"),
    "V4": Variant(
        "V3",
        {"counted": True, "dense_gradients": True},
        "one addition counts for all batch norms, which get contiguous gradients",
    ),
    "V5": Variant("V4", {"shadowed": True}, "bf16 copies of the weights: no casts in a step"),
    "V7": Variant("V3", {"compiled": "phases"}, "norms, activations, losses and casts fused"),
    "V8": Variant("V7", {"shadowed": True}, "fused kernels and no casts"),
    "V9": Variant("V8", {"halved": True}, "the discriminator sees fake and real as one batch"),
    "V6": Variant("V3", {"compiled": "networks"}, "norms and activations fused in each network"),
}
LAYOUT = Variant("best", {"channels_last": False}, "V13: NCHW; cuDNN's bf16 kernels are NHWC")
TUNINGS = {
    "V12 limit 10": Tuning(10, "cuDNN tries 10 algorithms, torch's default"),
    "V12 off": Tuning(None, "cuDNN's own guess"),
    "V12 limit 0": Tuning(0, "cuDNN tries all algorithms"),
}
# Not tried: overlapping Adam with the backward pass (V10), and the discriminator's real half with
# the generator's forward pass (V11), which are to be written with a GPU at hand.


def all_fields(name: str) -> dict[str, Any]:
    """The fields of a variant, with those of its bases."""
    variant = VARIANTS[name]
    return {**(all_fields(variant.base) if variant.base else {}), **variant.fields}


def engine_of(name: str, train: TrainTable, device: torch.device) -> Engine:
    """The engine of a variant on a device."""
    if name == "V0":
        return plain(device)
    return changed(_bare(choose_engine(train, device)), all_fields(name))


def changed(engine: Engine, wanted: Mapping[str, Any]) -> Engine:
    """The engine with other fields. What needs a GPU is left as it is on a CPU."""
    if engine.device.type != "cuda":
        on_gpu_alone = {"graphed": False, "resident": False, "launch": 1}
        wanted = {**wanted, **{k: v for k, v in on_gpu_alone.items() if k in wanted}}
    return replace(engine, **wanted)


def _bare(engine: Engine) -> Engine:
    """The fast engine without what variants add, whatever it chooses by itself."""
    declared = {each.name: each.default for each in fields(engine)}
    added = {key for variant in VARIANTS.values() for key in variant.fields}
    return replace(engine, **{key: declared[key] for key in added})


def is_worth_it(ratios: Mapping[str, float]) -> bool:
    """Whether a change is to be kept, from its ratio to its base in all rounds."""
    return ratios["low"] > GAIN
