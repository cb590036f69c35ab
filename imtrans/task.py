"""A recipe bound to what is installed: it builds everything that the recipe names, each once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Augmentation, Derivation, Metric
from imtrans.api.listener import Listener
from imtrans.api.method import Batch, Direction, Method
from imtrans.api.pictures import Layout, Pair, is_paired
from imtrans.contracts.broken import naming
from imtrans.contracts.images import probe_augmentation, probe_derivation
from imtrans.contracts.methods import probe_method, small_batch
from imtrans.contracts.metrics import check_shape, probe_metric
from imtrans.contracts.networks import noise, probe_generator
from imtrans.contracts.weights import probe_weights
from imtrans.data.draws import Order
from imtrans.data.encoding import Derived, Direct, Encoding
from imtrans.data.identity import files_sum
from imtrans.data.loader import stack
from imtrans.data.pairs import check_sides, split_pairs, spread
from imtrans.data.samples import Sampler
from imtrans.data.scale import LOOKED_AT, TrainingScale, scale_of
from imtrans.host.ranks import Rank
from imtrans.recipe.building import RecipeParts, built, check_translator
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.components import component_tables
from imtrans.recipe.reading import values_of
from imtrans.recipe.registry import Component
from imtrans.recipe.replaying import ReplayedParts, own_state
from imtrans.recipe.schema import Recipe


class Task:
    """What a recipe means here. Raises ImtransError where a component refuses its options."""

    def __init__(self, recipe: Recipe, catalog: Catalog, *, ranks: int = 1) -> None:
        self.recipe, self.catalog = recipe, catalog
        self.ranks = ranks  # how many processes train it together

    # --- data ---

    @cached_property
    def encoding(self) -> Encoding:
        """How pixels become what the networks see, and back."""
        data = self.recipe.data
        return Derived(self.derivation, data) if self.derivation else Direct(data)

    def encoding_of(self, translator: str) -> Encoding:
        """The encoding that a translator works with: the other way round if it goes back."""
        if self.directions[translator] == "forward":
            return self.encoding
        data = self.recipe.data
        if data.derive:
            raise ImtransError(
                f"the method '{self.recipe.method.name}' translates back too, to sources, which "
                f"are derived here (data.derive = '{data.derive.name}'). leave data.derive out, or "
                "choose another method"
            )
        return Direct(data.model_copy(update={"source": data.target, "target": data.source}))

    @cached_property
    def derivation(self) -> Derivation | None:
        table = self.recipe.data.derive
        return built(self.catalog.derivations[table.name], table) if table else None

    @cached_property
    def layout(self) -> Layout:
        """What knows how the recipe's pairs are stored."""
        table = self.recipe.data.layout
        component = self.catalog.layouts[table.name]
        layout: Layout = built(component, table, self.recipe.data.root)
        check_sides(layout, self.recipe.data)
        if self.method_class.paired and not is_paired(layout):
            raise ImtransError(
                f"the method '{self.recipe.method.name}' learns from pairs, and the layout "
                f"'{table.name}' has none. use another layout, or a method for unpaired images"
            )
        return layout

    @property
    def has_targets(self) -> bool:
        """Whether a source comes with its own target."""
        return is_paired(self.layout)

    @property
    def paired(self) -> bool:
        """Whether a source is trained on with its own target."""
        return self.method_class.paired and is_paired(self.layout)

    @property
    def pairs(self) -> Sequence[Pair]:
        """The pairs to train on."""
        return self._split[0]

    @property
    def validation_pairs(self) -> Sequence[Pair]:
        """The pairs that are not trained on; there may be none."""
        return self._split[1]

    @property
    def unit(self) -> str:
        """What is counted of the data."""
        return "pairs" if self.paired else "unpaired pictures"

    @cached_property
    def _split(self) -> tuple[Sequence[Pair], Sequence[Pair]]:
        layouts = self.catalog.layouts
        return split_pairs(self.layout, self.recipe.data, self.recipe.seed, layouts=layouts)

    @cached_property
    def files_sum(self) -> str:
        """A sum over the files to train on as they are now, when it is first asked for."""
        return files_sum(self.pairs)

    @cached_property
    def scale(self) -> TrainingScale:
        """The scale at which sources are translated, as the pairs to train on have it."""
        return self._scale(0)

    @cached_property
    def target_scale(self) -> TrainingScale:
        """Likewise of targets, for what translates back."""
        return self._scale(1)

    def scale_of(self, translator: str) -> TrainingScale:
        forward = self.directions[translator] == "forward"
        return self.scale if forward else self.target_scale

    def _scale(self, side: int) -> TrainingScale:
        some = (self.pairs[i] for i in spread(len(self.pairs), LOOKED_AT))
        reader = self.sampler.reader
        found = scale_of(self.recipe.data, (reader.sides(pair)[side][0] for pair in some))
        if getattr(self.derivation, "pixel_by_pixel", False):
            return replace(found, factors=(1.0, 1.0))
        return found

    @cached_property
    def sampler(self) -> Sampler:
        """What reads a pair as a training sample, from files."""
        augmentations = [
            built(self.catalog.augmentations[table.name], table) for table in self.recipe.augment
        ]
        self._probe_images(augmentations)
        return Sampler(
            self.recipe.data,
            self.recipe.seed,
            derivation=self.derivation,
            augmentations=augmentations,
            paired=self.paired,
        )

    def _probe_images(self, augmentations: Sequence[Augmentation]) -> None:
        """Raise BrokenContract where a third party's augmentation or derivation breaks its own."""
        for table, augmentation in zip(self.recipe.augment, augmentations, strict=True):
            component = self.catalog.augmentations[table.name]
            if component.plugin.is_third_party:
                with naming(component):
                    probe_augmentation(component, augmentation)
        if self.derivation and self.recipe.data.derive:
            component = self.catalog.derivations[self.recipe.data.derive.name]
            if component.plugin.is_third_party:
                with naming(component):
                    probe_derivation(component, self.derivation)

    def steps_per_epoch(self, ranks: int | None = None) -> int:
        """The last of them may take a smaller batch. With another number of ranks: of those."""
        own = self.images_per_step // self.ranks
        return -(-len(self.pairs) // (own * (ranks or self.ranks)))

    @property
    def images_per_step(self) -> int:
        """On all ranks together."""
        return self.recipe.train.batch_size * self.recipe.train.accumulate * self.ranks

    def order(self, rank: Rank) -> Order:
        """Which pairs a rank sees in which step."""
        own = self.images_per_step // self.ranks
        return Order(self.recipe.seed, len(self.pairs), own, rank.number, self.ranks)

    def first_batch(self, device: torch.device) -> Batch:
        """The first pairs as the first epoch sees them, a batch or as many as there are."""
        count = min(self.recipe.train.batch_size, len(self.pairs))
        samples = [self.sampler.training(self.pairs, 1, i) for i in range(count)]
        source, target = (side.to(device) for side in stack(samples))
        return Batch(*self.encoding.encode(source, target))

    def noise(self, device: torch.device, count: int | None = None) -> Batch:
        """A batch of noise in [-1, 1], always the same; `count` images, or train.batch_size."""
        size, generator = self.recipe.data.crop, torch.Generator().manual_seed(0)
        source, target = (
            torch.rand(count or self.recipe.train.batch_size, channels, *size, generator=generator)
            for channels in (self.encoding.source_channels, self.encoding.target_channels)
        )
        return Batch(source.to(device) * 2 - 1, target.to(device) * 2 - 1)

    # --- method ---

    @property
    def method_class(self) -> type[Method]:
        made: type[Method] = self._method.made
        return made

    @property
    def _method(self) -> Component:
        return self.catalog.methods[self.recipe.method.name]

    @property
    def _origin(self) -> str:
        return f"method '{self._method.name}' from plugin {self._method.plugin}"

    @property
    def directions(self) -> Mapping[str, Direction]:
        """The translators of the method, the default one first, and where each goes."""
        return self.method_class.directions

    def method(self, device: torch.device) -> Method:
        """The method with its networks on the device; what it draws comes from the recipe's seed.

        Raises ImtransError when it breaks its contract, or does not fit the recipe's image size.
        """
        parts = self._parts(device, probing=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            before = torch.get_rng_state()
            method = built(self._method, self.recipe.method, parts)
        if not isinstance(method, Method):
            raise self._broken("it builds no Method")
        if self._method.plugin.is_third_party:
            self._probe_weights(method, parts, before)
        method.to(device)
        parts.check()
        self._check_translators(method, parts, device)
        if self._method.plugin.is_third_party:
            channels = (parts.source_channels, parts.target_channels)
            small = small_batch(method, channels, parts.size, device)
            probe_method(self._method, method, (small, self.noise(device, 1)))
        return method

    def _probe_weights(self, method: Method, parts: RecipeParts, before: torch.Tensor) -> None:
        """Of what the method has beside the networks that it was given."""
        if own := own_state(method, parts):
            again = partial(built, self._method, self.recipe.method, ReplayedParts(parts))
            probe_weights(self._method, own, before, again)

    def _check_translators(self, method: Method, parts: RecipeParts, device: torch.device) -> None:
        for name, network in self._translators(method).items():
            self.encoding_of(name)
            if not parts.has_built(network):
                subject = f"translator '{name}' of the method '{self.recipe.method.name}'"
                batch = self.noise(device, 1)
                forth = self.directions[name] == "forward"
                source, target = batch if forth else reversed(batch)
                check_translator(subject, network, source, target)
                if self._method.plugin.is_third_party:
                    probe_generator(self._method, network, source.shape[1], target.shape[1])

    def _translators(self, method: Method) -> Mapping[str, nn.Module]:
        found, own = method.translators(), {id(parameter) for parameter in method.parameters()}
        if not isinstance(found, Mapping):
            raise self._broken(
                f"translators() returned a {type(found).__name__}, not a dict of modules"
            )
        if list(found) != list(self.directions) or next(iter(found), None) != "generator":
            raise self._broken(
                f"translators() has {list(found)}, and its class says {list(self.directions)}; the "
                "first is to be 'generator'"
            )
        for name, module in found.items():
            if not isinstance(module, nn.Module):
                raise self._broken(
                    f"the translator '{name}' is a {type(module).__name__}, not a module"
                )
            if any(id(parameter) not in own for parameter in module.parameters()):
                raise self._broken(
                    f"the translator '{name}' has parameters that are not the method's: assign "
                    "their network to an attribute"
                )
        return found

    def _broken(self, what: str) -> ImtransError:
        return ImtransError(f"{self._origin} breaks its contract: {what}")

    def discriminator(self) -> nn.Module:
        """The recipe's discriminator by itself, to be filled with weights."""
        return self._parts(torch.device("cpu")).discriminator()

    def _parts(self, device: torch.device, *, probing: bool = False) -> RecipeParts:
        channels = (self.encoding.source_channels, self.encoding.target_channels)
        return RecipeParts(self.recipe, self.catalog, channels, device, probing=probing)

    def translator(self, name: str) -> nn.Module:
        """A translator of the method by itself, to be filled with weights."""
        if name not in self.directions:
            known = ", ".join(f"'{other}'" for other in self.directions)
            raise ImtransError(
                f"no translator '{name}'; the method '{self.recipe.method.name}' has {known}"
            )
        parts = self._parts(torch.device("cpu"))
        options = self._method.fixed | self._method.checked(**self.recipe.method.options)
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn, to be replaced
            return self.method_class.translator(parts, name, **options)

    # --- what surrounds it ---

    def metrics(self) -> dict[str, Metric]:
        """What is measured on validation pairs, by name; without targets, only what needs none."""
        metrics = {
            table.name: built(self.catalog.metrics[table.name], table)
            for table in self.recipe.validation.metrics
        }
        for name, metric in metrics.items():
            component = self.catalog.metrics[name]
            check_shape(component, metric)
            if component.plugin.is_third_party:
                self._probe_metric(component, metric)
        return {
            name: metric
            for name, metric in metrics.items()
            if self.has_targets or not getattr(metric, "needs_target", True)
        }

    def _probe_metric(self, component: Component, metric: Metric) -> None:
        """At the recipe's size, which may not be what it will measure: only what it does with
        images of this size is a fault."""
        source, target = self.noise(torch.device("cpu"), 2)
        if getattr(metric, "of_pictures", False):
            target = noise(3, *self.recipe.data.crop).expand(2, -1, -1, -1)
        with naming(component):
            probe_metric(component, metric, target.flip(-1), target, source)

    def loggers(self, run_dir: Path) -> dict[str, Listener]:
        """The loggers that the recipe names."""
        values = values_of(self.recipe)
        return {
            table.name: built(self.catalog.loggers[table.name], table, run_dir, values)
            for table in self.recipe.logger
        }

    def components(self) -> Iterator[Component]:
        """Every component that the recipe names."""
        for role, _, table in component_tables(values_of(self.recipe)):
            yield self.catalog.registries[role][table["name"]]
