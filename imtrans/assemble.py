"""Recipe + catalog -> the networks, the objective and the losses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from imtrans.data.colour import Colours, colours
from imtrans.errors import ImtransError
from imtrans.hookspecs import Loss, Objective
from imtrans.plugins import Catalog
from imtrans.registry import Component
from imtrans.schema import ComponentTable, Recipe


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
    objective: Objective
    losses: list[WeightedLoss]
    colours: Colours


def assemble(recipe: Recipe, catalog: Catalog, device: torch.device) -> Parts:
    """Build every part of a recipe; what is drawn at random comes from its seed.

    Raises ImtransError when a component refuses its options or the recipe's image size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator = build_generator(recipe, catalog)
        discriminator = build_discriminator(recipe, catalog)
        objective = _build(catalog.objectives[recipe.objective.name], recipe.objective)
        losses = [
            WeightedLoss(table.name, table.weight, _build(catalog.losses[table.name], table))
            for table in recipe.loss
        ]
    parts = Parts(
        generator.to(device),
        discriminator.to(device),
        _placed(objective, device),
        [replace(term, loss=_placed(term.loss, device)) for term in losses],
        colours(recipe.data),
    )
    _check_shapes(recipe, parts, device)
    return parts


def _placed(judge: Any, device: torch.device) -> Any:
    """An objective or a loss that holds a network, on the device; it is not trained."""
    return judge.to(device).requires_grad_(False) if isinstance(judge, nn.Module) else judge


def build_generator(recipe: Recipe, catalog: Catalog) -> nn.Module:
    channels = colours(recipe.data)
    component = catalog.generators[recipe.generator.name]
    network = _build(
        component, recipe.generator, channels.source_channels, channels.target_channels
    )
    return _with_contract(network, component, "stride")


def build_discriminator(recipe: Recipe, catalog: Catalog) -> nn.Module:
    channels = colours(recipe.data)
    component = catalog.discriminators[recipe.discriminator.name]
    network = _build(
        component, recipe.discriminator, channels.source_channels, channels.target_channels
    )
    return _with_contract(network, component, "receptive_field")


def _build(component: Component, table: ComponentTable, *facts: int) -> Any:
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
    source = torch.zeros(1, parts.colours.source_channels, size, size, device=device)
    target = torch.zeros(1, parts.colours.target_channels, size, size, device=device)
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
    except ValueError as error:
        raise ImtransError(f"{role} '{name}' {error}") from error
    finally:
        network.train()
