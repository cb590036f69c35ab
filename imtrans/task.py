"""Recipe + catalog -> the networks, the adversarial and the losses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.hookspecs import AdversarialLoss, Derivation, Loss
from imtrans.api.pictures import Layout, Pair, is_paired
from imtrans.data.encoding import Derived, Direct, Encoding
from imtrans.data.pairs import split_pairs
from imtrans.data.samples import Sampler
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.registry import Component
from imtrans.recipe.schema import ComponentTable, Recipe


@dataclass
class WeightedLoss:
    """A term of the generator's total: weight * loss(fake, target)."""

    name: str
    weight: float
    loss: Loss


@dataclass
class Parts:
    """Everything that a recipe's components build."""

    generator: nn.Module
    discriminator: nn.Module
    adversarial: AdversarialLoss
    losses: list[WeightedLoss]
    encoding: Encoding


def assemble(recipe: Recipe, catalog: Catalog, device: torch.device) -> Parts:
    """Build every part of a recipe; what is drawn at random comes from its seed.

    Raises ImtransError when a component refuses its options or the recipe's image size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator = build_generator(recipe, catalog)
        discriminator = build_discriminator(recipe, catalog)
        adversarial = _build(catalog.adversarial[recipe.adversarial.name], recipe.adversarial)
        losses = [
            WeightedLoss(table.name, table.weight, _build(catalog.losses[table.name], table))
            for table in recipe.loss
        ]
    parts = Parts(
        generator.to(device),
        discriminator.to(device),
        _placed(adversarial, device),
        [replace(term, loss=_placed(term.loss, device)) for term in losses],
        build_encoding(recipe, catalog),
    )
    _check_shapes(recipe, parts, device)
    return parts


def _placed(judge: Any, device: torch.device) -> Any:
    """An adversarial or a loss that holds a network, on the device; it is not trained."""
    return judge.to(device).requires_grad_(False) if isinstance(judge, nn.Module) else judge


def build_generator(recipe: Recipe, catalog: Catalog) -> nn.Module:
    encoding = build_encoding(recipe, catalog)
    component = catalog.generators[recipe.generator.name]
    facts = (encoding.source_channels, encoding.target_channels)
    return _with_contract(_build(component, recipe.generator, *facts), component, "stride")


def build_discriminator(recipe: Recipe, catalog: Catalog) -> nn.Module:
    encoding = build_encoding(recipe, catalog)
    component = catalog.discriminators[recipe.discriminator.name]
    facts = (encoding.source_channels, encoding.target_channels)
    network = _build(component, recipe.discriminator, *facts)
    return _with_contract(network, component, "receptive_field")


def build_encoding(recipe: Recipe, catalog: Catalog) -> Encoding:
    """How the recipe's pixels become what the networks see."""
    derivation = _derivation(recipe, catalog)
    return Derived(derivation, recipe.data) if derivation else Direct(recipe.data)


def build_sampler(recipe: Recipe, catalog: Catalog) -> Sampler:
    """What reads a pair as a training sample."""
    augmentations = [_build(catalog.augmentations[table.name], table) for table in recipe.augment]
    derivation = _derivation(recipe, catalog)
    return Sampler(
        recipe.data,
        recipe.seed,
        derivation=derivation,
        augmentations=augmentations,
        paired=is_paired(build_layout(recipe, catalog)),
    )


def find_pairs(recipe: Recipe, catalog: Catalog) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """The recipe's pairs: to train on, and held out."""
    layout = build_layout(recipe, catalog)
    return split_pairs(layout, recipe.data, recipe.seed, layouts=catalog.layouts)


def build_layout(recipe: Recipe, catalog: Catalog) -> Layout:
    """What knows how the recipe's pairs are stored."""
    table = recipe.data.layout
    layout: Layout = _build(catalog.layouts[table.name], table, recipe.data.root)
    return layout


def _derivation(recipe: Recipe, catalog: Catalog) -> Derivation | None:
    table = recipe.data.derive
    return _build(catalog.derivations[table.name], table) if table else None


def _build(component: Component, table: ComponentTable, *facts: object) -> Any:
    try:
        return component.build(*facts, **table.options)
    except (ValueError, TypeError) as error:
        raise ImtransError(f"{component.role} '{component.name}': {error}") from error


def _with_contract(network: Any, component: Component, attribute: str) -> nn.Module:
    if isinstance(network, nn.Module) and isinstance(getattr(network, attribute, None), int):
        return network
    raise ImtransError(
        f"{component.role} '{component.name}' from plugin {component.plugin} breaks its contract: "
        f"the builder must return an nn.Module with a whole number `{attribute}`"
    )


def _check_shapes(recipe: Recipe, parts: Parts, device: torch.device) -> None:
    """Pass one grey image through both networks, so that what does not fit is told before the data
    are read."""
    size = recipe.data.crop_size
    stride = int(parts.generator.stride)  # type: ignore[arg-type]
    if size % stride:
        sizes = [n for n in (size // stride * stride, -(-size // stride) * stride) if n]
        raise ImtransError(
            f"generator '{recipe.generator.name}' needs sizes that are multiples of {stride}; "
            f"crop_size is {size}. use {' or '.join(map(str, sizes))}"
        )
    source = torch.zeros(1, parts.encoding.source_channels, size, size, device=device)
    target = torch.zeros(1, parts.encoding.target_channels, size, size, device=device)
    fake = _try(recipe.generator.name, parts.generator, "generator", source)
    if fake.shape != target.shape:
        raise ImtransError(
            f"generator '{recipe.generator.name}' made {tuple(fake.shape)} of "
            f"{tuple(source.shape)}; the target is {tuple(target.shape)}"
        )
    logits = _try(recipe.discriminator.name, parts.discriminator, "discriminator", source, fake)
    if logits.dim() != 4 or logits.shape[:2] != (1, 1):
        raise ImtransError(
            f"discriminator '{recipe.discriminator.name}' returned {tuple(logits.shape)}; "
            "logits are (N, 1, h, w)"
        )


def _try(name: str, network: nn.Module, role: str, *inputs: torch.Tensor) -> torch.Tensor:
    run: Callable[..., torch.Tensor] = network.eval()
    try:
        with torch.no_grad():
            return run(*inputs)
    except (ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).split("\n")[0]
        raise ImtransError(f"{role} '{name}' {reason}") from error
    finally:
        network.train()
