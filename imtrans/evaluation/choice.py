"""Which metrics an evaluation has, and with which options."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Metric
from imtrans.recipe import defaults
from imtrans.recipe.building import built
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.reading import value_of
from imtrans.recipe.schema import ComponentTable

Options = dict[str, Any]


class MetricChoice:
    """Metrics by their names, with their options: those asked for, or else the usual ones."""

    def __init__(self, catalog: Catalog, asked: Sequence[str] = ()) -> None:
        """Raises ImtransError when a metric is not known."""
        self.catalog, self.asked = catalog, bool(asked)
        self.tables: dict[str, Options] = {catalog.metrics[name].name: {} for name in asked}

    def usual(self, tables: Iterable[ComponentTable] = (), *, paired: bool = True) -> None:
        """Offer those of a recipe, and the usual ones."""
        for table in tables:
            self._offer(table.name, table.options)
        for name in defaults.EVALUATED if paired else defaults.OF_SETS:
            self._offer(name)

    def of_labels(self, palette: Sequence[Sequence[int]] | None) -> None:
        """Targets are label maps: of these colours, or with a channel for each class."""
        self._offer(defaults.OF_LABELS, {"palette": palette} if palette else {})

    def of_scorer(self, scorer: str) -> None:
        """Outputs are photographs of label maps, which a scorer labels again."""
        self._offer(defaults.OF_SCORER, {"scorer": scorer})

    def _offer(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        """A metric that is measured unless others were asked for, and options it has unless it was
        given others."""
        if name in self.tables or (name in self.catalog.metrics and not self.asked):
            self.tables[name] = {**(options or {}), **self.tables.get(name, {})}

    def set(self, settings: Iterable[str]) -> list[str]:
        """Take options of metrics out of settings, as `fid.weights=FILE`; the others are
        returned."""
        others = []
        for setting in settings:
            path, _, text = setting.partition("=")
            name, _, option = path.strip().partition(".")
            if name in self.catalog.metrics and option:
                self.tables.setdefault(name, {})[option] = value_of(text)
            else:
                others.append(setting)
        return others

    def built(self, *, paired: bool = True) -> dict[str, Metric]:
        """The metrics; unpaired, those that need no target of their own. Raises ImtransError when
        one refuses its options, or when none is left."""
        metrics: dict[str, Metric] = {}
        for name, options in self.tables.items():
            component = self.catalog.metrics[name]
            if problems := component.check({"name": name, **options}):
                first = problems[0]
                place = ".".join([name, *map(str, first.location)])
                raise ImtransError(f"metric {place}: {first.message}")
            metrics[name] = built(component, ComponentTable(name=name, **options))
        if not paired:
            own = {k: m for k, m in metrics.items() if not getattr(m, "needs_target", True)}
            if not own:
                raise ImtransError(
                    "these pictures have no target of their own, so that only metrics of whole "
                    "sets can be measured, as --metric fid and --metric kid"
                )
            return own
        return metrics
