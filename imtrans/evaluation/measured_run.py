"""A trained translator and the pairs that it is measured on: what is found, and what is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtrans.api.hookspecs import Metric
from imtrans.api.pictures import Pair
from imtrans.evaluation import files
from imtrans.evaluation.fingerprint import measured_how
from imtrans.evaluation.pairs import measured_pairs
from imtrans.evaluation.samples_sheet import FIRST, SHOWN, write_sheet
from imtrans.evaluation.showcase import chosen, translated_pairs, write_pictures
from imtrans.evaluation.table import EvaluationTable
from imtrans.evaluation.wanted import Bar
from imtrans.task import Task
from imtrans.translation.pipeline import Seeds
from imtrans.translation.translator import Translator


@dataclass(frozen=True)
class MeasuredRun:
    """Of all `pairs` a share is measured; written is the table of all. `options` are those of the
    metrics, `settings` those of the recipe, and `facts` go into metrics.json."""

    task: Task
    translator: Translator
    pairs: Sequence[Pair]
    metrics: Mapping[str, Metric]
    options: files.Components
    settings: Sequence[str]
    facts: Mapping[str, Any]
    seeds: Seeds

    def measure(self, mine: Sequence[Pair], bar: Bar) -> EvaluationTable:
        """What the metrics find in the outputs for these pairs."""
        with bar("measuring", len(mine)) as on_pair:
            return measured_pairs(
                self.task, self.translator, mine, self.metrics, on_pair, seeds=self.seeds
            )

    def write(self, folder: Path, table: EvaluationTable) -> None:
        """Write the evaluation, with pictures; these are translated again."""
        with files.replacing(folder) as fresh:
            shown = self._named(table, chosen(table))
            again = translated_pairs(self.task, self.translator, shown)
            pictures, facts = write_pictures(fresh, table, again), dict(self.facts)
            if len(self.seeds) > 1:
                first = self._named(table, range(min(FIRST, len(table.names))))
                seeds = self.seeds[:SHOWN]
                several = translated_pairs(self.task, self.translator, first, seeds)
                facts["sheet"] = write_sheet(fresh, several)
            files.write(fresh, table, self.options, facts, pictures)

    def _named(self, table: EvaluationTable, numbers: Iterable[int]) -> list[Pair]:
        by_name = {pair.name: pair for pair in self.pairs}
        return [by_name[table.names[number]] for number in numbers]

    def depends_on(self, recipe_text: str) -> dict[str, Any]:
        """What its values depend on: shares with others are not put together."""
        named = [(pair.name, (*pair.a, *pair.b)) for pair in self.pairs]
        settings = [one for one in self.settings if not one.startswith("data.root=")]
        return {
            **self.translator.made_from,
            **{"split": self.facts["split"], "recipe": [recipe_text, *settings]},
            **measured_how(named, self.metrics, dict(self.options)),
        }
