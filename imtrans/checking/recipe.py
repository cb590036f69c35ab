"""Everything that can be known about a recipe before it trains."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

import torch

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair
from imtrans.data.loader import stack
from imtrans.data.samples import Sample, Sampler
from imtrans.host.devices import choose_device
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import Parts, assemble, build_sampler, find_pairs
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.trial import tried_model


@dataclass(frozen=True)
class Finding:
    """One line of the report; `wrong` says what to mend."""

    subject: str
    said: str
    wrong: bool = False


def check(recipe: Recipe, catalog: Catalog, device: str | None = None) -> Iterator[Finding]:
    """Build the components, find the data, take one step on them; nothing is kept.

    Findings come as they are made. Without data the step is taken on noise.
    """
    chosen = choose_device(device)
    parts: Parts | None = None
    try:
        parts = assemble(recipe, catalog, chosen)
        yield Finding("components", _components(recipe, parts))
    except ImtransError as error:
        yield Finding("components", str(error), wrong=True)
    pairs: Sequence[Pair] = []
    try:
        pairs, held_out = find_pairs(recipe, catalog)
        yield Finding("data", f"{len(pairs)} pairs to train on, {len(held_out)} held out")
    except ImtransError as error:
        yield Finding("data", str(error), wrong=True)
    if parts:
        yield _step(recipe, parts, build_sampler(recipe, catalog), pairs, chosen)


def _components(recipe: Recipe, parts: Parts) -> str:
    generator, discriminator = (
        f"{sum(p.numel() for p in network.parameters()):,} parameters"
        for network in (parts.generator, parts.discriminator)
    )
    terms = " + ".join(f"{term.weight:g} {term.name}" for term in parts.losses)
    return (
        f"{recipe.generator.name} ({generator}, sizes in multiples of {parts.generator.stride}), "
        f"{recipe.discriminator.name} ({discriminator}, sees {parts.discriminator.receptive_field}"
        f" px), {recipe.adversarial.name}{' + ' + terms if terms else ''}"
    )


def _step(
    recipe: Recipe, parts: Parts, sampler: Sampler, pairs: Sequence[Pair], device: torch.device
) -> Finding:
    remarks: list[str] = []
    try:
        model = tried_model(recipe, parts, choose_engine(recipe.train, device), remarks.append)
        source, target = _batch(recipe, parts, sampler, pairs)
        start = monotonic()
        losses = model.step(source.to(device), target.to(device))
        values = {name: float(loss) for name, loss in losses.items()}
        seconds = monotonic() - start
    except (ImtransError, ValueError, RuntimeError) as error:
        return Finding("one step", " ".join(str(error).split()), wrong=True)
    shown = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
    said = "".join(f". {remark}" for remark in remarks)
    on = "the first pairs" if pairs else "noise"
    return Finding("one step", f"on {on}, {device}, {model.engine}, {seconds:.2f} s: {shown}{said}")


def _batch(recipe: Recipe, parts: Parts, sampler: Sampler, pairs: Sequence[Pair]) -> Sample:
    """A batch as the networks see it: of the first pairs, or of noise."""
    count, size, encoding = recipe.train.batch_size, recipe.data.crop_size, parts.encoding
    if pairs:
        first = range(min(count, len(pairs)))
        samples = [sampler.training(pairs, 1, index) for index in first]
        return encoding.encode(*stack(samples))
    channels = (encoding.source_channels, encoding.target_channels)
    source, target = (torch.rand(count, number, size, size) * 2 - 1 for number in channels)
    return source, target
