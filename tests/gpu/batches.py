"""Part `batches`: larger batches, larger pictures, other networks, another method."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from comparison import compare
from pairs import recipe_of
from steps import engines_of, rows_of
from variants import LAYOUT, REFERENCE, changed
from work import Work

from imtrans.host.devices import computing

# The plain engine, today's graph, and what costs a compiler's time.
USUAL = ("V0", "V2", "V8")
RESERVE = 40.0  # seconds of the part, in which no variant is started


@dataclass(frozen=True)
class Case:
    """What is changed in a recipe, the variants that take its steps, and the images of a step."""

    overrides: Sequence[str] = ()
    recipe: str = "facades"
    variants: Sequence[str] = USUAL
    layouts: bool = False  # whether NCHW is tried too
    images: int = 1


RESNET = ("generator.name=resnet_9", "generator.norm=instance", "discriminator.norm=instance")
# As in cityscapes_hd, all networks at once: what takes the most memory.
HD = (
    "generator.downsamplings=4",
    "discriminator.scales=3",
    "method.coarse_epochs=0",
    "method.fixed_epochs=0",
)
CASES = {
    "batch 4": Case(("train.batch_size=4",), images=4),
    "batch 16": Case(("train.batch_size=16",), images=16),
    "batch 64": Case(("train.batch_size=64",), variants=("V0", "V2", "V7"), images=64),
    "512 px": Case(("data.load_size=572", "data.crop_size=512")),
    "resnet_9": Case(RESNET, variants=("V2", "V7"), layouts=True),
    "cyclegan": Case(recipe="horse2zebra", variants=("V2", "V7"), layouts=True),
    "bridge": Case(recipe="facades_bridge", variants=("V2", "V7"), layouts=True, images=8),
    **{
        f"pix2pixHD {name}": Case(
            (*HD, f"data.load_size={size}", f"data.crop_size={size}"),
            recipe="facades_hd",
            variants=("V2",),
        )
        for name, size in (("512 px", 512), ("1024 px", 1024), ("2048 x 1024 px", [1024, 2048]))
    },
}
# The same in miniature: what a case changes, and less of everything.
SMALL = {
    "batch 4": ("train.batch_size=2",),
    "512 px": ("data.load_size=280", "data.crop_size=256"),
    "resnet_9": ("generator.name=resnet_6", "data.load_size=72", "data.crop_size=64"),
    "cyclegan": ("generator.name=resnet_6", "data.load_size=72", "data.crop_size=64"),
    "bridge": ("method.size=tiny", "data.load_size=72", "data.crop_size=64"),
    "pix2pixHD 512 px": ("generator.name=pix2pixhd", "data.load_size=64", "data.crop_size=64"),
}


def measure(work: Work) -> None:
    cases: Mapping[str, Case] = CASES
    if work.smoke:
        cases = {name: _small(CASES[name], SMALL[name]) for name in SMALL}
    with computing(deterministic=False):
        work.take({name: partial(_case, work, case) for name, case in cases.items()})


def _small(case: Case, overrides: Sequence[str]) -> Case:
    return replace(case, overrides=(*case.overrides, *overrides), variants=("V2",))


def _case(work: Work, case: Case) -> dict[str, Any]:
    recipe = recipe_of(work, *case.overrides, name=case.recipe)
    engines = engines_of(work, recipe, case.variants)
    if case.layouts:
        engines |= {
            f"{name} NCHW": changed(engine, LAYOUT.fields)
            for name, engine in engines.items()
            if name == REFERENCE
        }
    found = compare(work, recipe, engines, reserve=RESERVE, check=False)
    for name, why in found["dropped"].items():
        work.leave_out(f"{name}: {why}")
    return {**found, "images": case.images}


def lines(results: dict[str, Any]) -> Iterator[str]:
    for name, found in results.items():
        yield f"### {name}"
        yield ""
        yield from rows_of(found)
        for variant, one in found["variants"].items():
            rate = found["images"] / one["ms"]["median"] * 1e3
            yield f"- {variant}: {rate:.4g} images/s"
        yield ""
