"""Which metrics an evaluation has, and with which options."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Metric
from imtrans.evaluation.contract import check_direction
from imtrans.evaluation.wanted import Say
from imtrans.recipe import defaults
from imtrans.recipe.building import built
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.overrides import value_of
from imtrans.recipe.registry import Component
from imtrans.recipe.tables import ComponentTable

Options = dict[str, Any]
SCORER_HINT = ". `imtrans train-scorer RECIPE` makes a scorer; name it as --scorer FILE"


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
        for name in (*defaults.EVALUATED, *(() if paired else defaults.OF_SETS)):
            self._offer(name)

    def of_labels(self, palette: Sequence[Sequence[int]] | None) -> bool:
        """Targets are label maps: of these colours, or with a channel for each class. Returns
        whether they are measured so."""
        return self._offer(defaults.OF_LABELS, {"palette": palette} if palette else {})

    def of_scorer(self, scorer: str) -> bool:
        """Outputs are photographs of label maps, which a scorer labels again. Returns whether it
        does."""
        return self._offer(defaults.OF_SCORER, {"scorer": scorer})

    def _offer(self, name: str, options: Mapping[str, Any] | None = None) -> bool:
        """A metric that is measured unless others were asked for, and options it has unless it was
        given others. Returns whether it is measured with these options."""
        offered = dict(options or {})
        if name not in self.tables and (name not in self.catalog.metrics or self.asked):
            return False
        self.tables[name] = {**offered, **self.tables.get(name, {})}
        return self.tables[name].items() >= offered.items()

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

    def built(
        self, say: Say, *, paired: bool = True, has_sources: bool = True
    ) -> dict[str, Metric]:
        """The metrics; unpaired, those that need no target of their own. One that nobody asked for
        and that lacks its weights or a library is left out with a line. Raises ImtransError when
        another refuses its options or needs sources that are not known, or when none is left."""
        metrics: dict[str, Metric] = {}
        for name in self.tables:
            component = self.catalog.metrics[name]
            if not paired and getattr(component.made, "needs_target", True):
                continue
            if str(self.tables[name].get("weights", "")).startswith(("download", "http")):
                say(f"{name}: its weights are fetched, unless they are here")
            if not has_sources:
                _refuse_sources(name, component.made)
            try:
                metrics[name] = self._built(component)
                if not has_sources:
                    _refuse_sources(name, metrics[name])
            except ImtransError as error:
                if self.asked or name not in defaults.OF_SETS:
                    raise
                say(f"{name} is not measured: {error}")
        if not metrics:
            raise ImtransError(
                "these pictures have no target of their own, so that only metrics of whole sets "
                "can be measured, as --metric fid and --metric kid"
            )
        return metrics

    def _built(self, component: Component) -> Metric:
        table = {"name": component.name, **self.tables[component.name]}
        if problems := component.check(table):
            first = problems[0]
            place = ".".join([component.name, *map(str, first.location)])
            hint = SCORER_HINT if component.name == defaults.OF_SCORER else ""
            raise ImtransError(f"metric {place}: {first.message}{hint}")
        metric: Metric = built(component, ComponentTable(**table))
        check_direction(component.name, metric)
        return metric


def _refuse_sources(name: str, metric: object) -> None:
    if getattr(metric, "needs_source", False):
        raise ImtransError(
            f"the metric '{name}' looks at the sources, which nobody knows of two folders; "
            "evaluate a run (--recipe or --checkpoint)"
        )
