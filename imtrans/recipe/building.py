"""What a method is built from: the networks and losses that a recipe names."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.hookspecs import AdversarialLoss
from imtrans.api.method import WeightedLoss
from imtrans.contracts.broken import naming
from imtrans.contracts.losses import logits, probe_adversarial, probe_loss, target_for
from imtrans.contracts.networks import (
    check_finite,
    check_logits,
    noise,
    probe_discriminator,
    probe_generator,
    small_source,
)
from imtrans.contracts.states import probe_state
from imtrans.contracts.weights import probe_weights
from imtrans.host.foreign import is_overflow, reading, reason
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.registry import Component
from imtrans.recipe.schema import Recipe
from imtrans.recipe.tables import ComponentTable


def built(component: Component, table: ComponentTable, *facts: object) -> Any:
    """What a component makes of a recipe's table. Raises ImtransError when it refuses."""
    try:
        return component.build(*facts, **table.options)
    except (ValueError, TypeError) as error:
        raise ImtransError(f"{component.role} '{component.name}': {error}") from error
    except (RuntimeError, OverflowError) as error:
        if not is_overflow(error):
            raise
        raise ImtransError(
            f"{component.role} '{component.name}': a number in its options is too large"
        ) from error


@dataclass(frozen=True)
class Network:
    """A network that was built, and the channels that it was built for."""

    component: Component
    module: nn.Module
    source: int
    target: int
    after: Tensor  # the state of torch's generator when it was built

    @property
    def channels(self) -> tuple[int, int]:
        return self.source, self.target

    def __str__(self) -> str:
        return f"{self.component.role} '{self.component.name}'"


class RecipeParts:
    """`imtrans.api.method.Parts` for a recipe; remembers what it built, to be checked.

    With `probing` it also looks for what third-party components do against their contracts.
    """

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        channels: tuple[int, int],
        device: torch.device,
        *,
        probing: bool = False,
    ) -> None:
        self.source_channels, self.target_channels = channels
        self.size = recipe.data.crop
        self.networks: list[Network] = []
        self.given: dict[str, Any] = {}  # the losses, by the table that they come from
        self._losses: list[tuple[Component, Any]] = []
        self._probing = probing
        self._recipe, self._catalog, self._device = recipe, catalog, device

    def generator(self, source: int | None = None, target: int | None = None) -> nn.Module:
        return self._network("generator", "stride", source, target)

    def discriminator(self, source: int | None = None, target: int | None = None) -> nn.Module:
        return self._network("discriminator", "receptive_field", source, target)

    def adversarial(self) -> AdversarialLoss:
        table = self._table("adversarial")
        loss: AdversarialLoss = self._loss(self._catalog.adversarial[table.name], table)
        self.given["adversarial"] = loss
        return loss

    def losses(self) -> tuple[WeightedLoss, ...]:
        losses = tuple(
            WeightedLoss(
                table.name, table.weight, self._loss(self._catalog.losses[table.name], table)
            )
            for table in self._recipe.loss
        )
        self.given["losses"] = losses
        return losses

    def _network(
        self, role: str, attribute: str, source: int | None, target: int | None
    ) -> nn.Module:
        table = self._table(role)
        component = self._catalog.registries[role][table.name]
        source = self.source_channels if source is None else source
        target = self.target_channels if target is None else target
        module = self._built(component, table, source, target)
        if not isinstance(module, nn.Module) or not isinstance(
            getattr(module, attribute, None), int
        ):
            raise ImtransError(
                f"{role} '{component.name}' from plugin {component.plugin} breaks its contract: "
                f"the builder must return an nn.Module with a whole number `{attribute}`"
            )
        self.networks.append(Network(component, module, source, target, torch.get_rng_state()))
        return module

    def _built(self, component: Component, table: ComponentTable, *facts: object) -> Any:
        before, build = torch.get_rng_state(), partial(built, component, table, *facts)
        made = build()
        if self._probes(component) and isinstance(made, nn.Module):
            probe_weights(component, made.state_dict(), before, build)
        return made

    def _probes(self, component: Component) -> bool:
        """Ours are tested, and would only be slower to begin with."""
        return self._probing and component.plugin.is_third_party

    def _table(self, key: str) -> ComponentTable:
        table: ComponentTable | None = getattr(self._recipe, key)
        if table is None:
            raise ImtransError(
                f"the method '{self._recipe.method.name}' builds from [{key}], which the recipe "
                "does not have (a method names what it `needs`)"
            )
        return table

    def _loss(self, component: Component, table: ComponentTable) -> Any:
        loss = self._built(component, table)
        if isinstance(loss, nn.Module):
            # It may hold a network, which is not trained, and is no network of the method: it is as
            # in evaluation, since its running statistics and its dropout would not be continued.
            loss = Hidden(loss.to(self._device).requires_grad_(False).eval())
        self._losses.append((component, loss))
        return loss

    def has_built(self, module: nn.Module) -> bool:
        return any(network.module is module for network in self.networks)

    def check(self) -> None:
        """Pass one grey image through every network, so that what does not fit is an ImtransError
        before the data are read."""
        for network in self.networks:
            if self._probes(network.component):
                self._probe_network(network)
            crop = _as_written(*self.size)
            with reading(f"data.crop_size = {crop}", "no image can be so large"):
                source, target = (
                    torch.zeros(1, channels, *self.size, device=self._device)
                    for channels in (network.source, network.target)
                )
            if network.component.role == "generator":
                check_translator(str(network), network.module, source, target)
            else:
                check_logits(str(network), _try(str(network), network.module, source, target))
        for component, loss in self._losses:
            if self._probes(component):
                self._probe_loss(component, loss)

    def _probe_network(self, network: Network) -> None:
        component, module, channels = network.component, network.module, network.channels
        with naming(component):
            source, image = (noise(count, *self.size, self._device) for count in channels)
            if component.role == "generator":
                probe_generator(component, module, *channels)
                inputs = {"source": small_source(module, network.source)}
            else:
                probe_discriminator(component, module, source, image)
                inputs = {"source": source, "image": image}
            other = self._built_at_another_seed(component, channels)
            probe_state(component, module, other, **inputs)

    def _built_at_another_seed(self, component: Component, channels: tuple[int, int]) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._recipe.seed + 1)
            other: nn.Module = built(component, self._table(component.role), *channels)
        return other

    def _probe_loss(self, component: Component, loss: Any) -> None:
        with naming(component):
            if component.role == "loss":
                shape = self.target_channels, *self.size
                output, target = (noise(*shape, self._device, seed=seed) for seed in (0, 1))
                probe_loss(component, loss, output, target_for(loss, target))
            else:
                probe_adversarial(component, loss, *logits(self._device))


class Hidden:
    """A loss that is a module, hidden from a method, which would take it for a network."""

    def __init__(self, module: nn.Module) -> None:
        self._of = (module,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self._of[0](*inputs)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of[0], name)


def check_translator(subject: str, network: nn.Module, source: Tensor, target: Tensor) -> None:
    """Raise ImtransError unless it makes what is shaped like the target of the source."""
    stride = getattr(network, "stride", None)
    if not isinstance(stride, int):
        raise ImtransError(f"{subject} breaks its contract: it has no whole number `stride`")
    height, width = source.shape[-2:]
    if height % stride or width % stride:
        raise ImtransError(
            f"{subject} needs sizes that are multiples of {stride}; crop_size is "
            f"{_as_written(height, width)}. use {_fitting(height, width, stride)}"
        )
    output = _try(subject, network, source)
    if output.shape != target.shape:
        raise ImtransError(
            f"{subject} made {tuple(output.shape)} of {tuple(source.shape)}; the target is "
            f"{tuple(target.shape)}"
        )
    check_finite(subject, network, output, source)


def _fitting(height: int, width: int, stride: int) -> str:
    """The next smaller size, if there is one, and the next larger, as a recipe writes them."""
    lower = [side // stride * stride for side in (height, width)]
    upper = [-(-side // stride) * stride for side in (height, width)]
    return " or ".join(_as_written(*sides) for sides in (lower, upper) if all(sides))


def _as_written(height: int, width: int) -> str:
    return str(height if height == width else [height, width])


def _try(subject: str, network: nn.Module, *inputs: Tensor) -> Any:
    run: Callable[..., Any] = network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return run(*inputs)
    except (ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise ImtransError(f"{subject} {reason(error)}") from error
    finally:
        network.train()
