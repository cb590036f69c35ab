"""A recipe for a folder on this machine, and what a person should hear of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imtrans.drafting.choice import Choice, recipe_text
from imtrans.drafting.data import data, validation_split
from imtrans.drafting.fitting import fitted
from imtrans.drafting.look import Looked, look
from imtrans.drafting.machine import Cost, Machine
from imtrans.drafting.plan import planned
from imtrans.drafting.remarks import remarks
from imtrans.drafting.situation import Situation
from imtrans.recipe.catalog import Catalog

Measure = Callable[[str], Cost]  # of a recipe's text


@dataclass(frozen=True)
class Draft:
    """A recipe, and what a user should hear of it."""

    opening: str  # what was found
    choices: tuple[Choice, ...]
    remarks: tuple[str, ...]  # what else it could be, and what is missing

    @property
    def text(self) -> str:
        """The recipe as TOML."""
        return recipe_text(self.opening, self.choices)


def draft(
    root: str,
    source: str | None,
    catalog: Catalog,
    *,
    machine: Machine = Machine(),  # noqa: B008  # it is frozen
    hours: float | None = None,
    measure: Measure | None = None,
) -> Draft:
    """A recipe for the pairs below a folder; `source` names the side that is given, if a person
    says it, and `hours` is what the training may take. `measure` finds what a step takes here;
    without it, neither memory nor time is planned. Raises ImtransError if there are no pairs."""
    looked = look(root, source, catalog)
    opening = f"{root}: {looked.guess.reason}"
    found = (Choice("", "title", _title(looked)), *data(looked))

    def drafted(facts: Situation) -> tuple[Situation, tuple[Choice, ...]]:
        facts, chosen = planned(facts)
        return facts, (*found, *chosen)

    def measured(facts: Situation) -> Cost:
        assert measure is not None
        return measure(recipe_text(opening, drafted(facts)[1]))

    facts = facts_of(looked, machine, hours)
    if measure is not None:
        facts = fitted(facts, lambda some: drafted(some)[0], measured)
    facts, choices = drafted(facts)
    return Draft(opening, choices, tuple(remarks(looked, facts)))


def facts_of(looked: Looked, machine: Machine, hours: float | None) -> Situation:
    source, target = looked.directed(looked.a, looked.b)
    derived = looked.table.get("derive", "")
    name = derived if isinstance(derived, str) else str(derived.get("name"))
    # Of a picture's halves left and right are only their places.
    named = not looked.is_derived and looked.table["layout"] != "side_by_side"
    names = looked.names if named else ("", "")
    split = validation_split(looked)
    return Situation(len(looked.pairs), names, source, target, name, split, machine, hours)


def _title(looked: Looked) -> str:
    name = Path(looked.root).resolve().name
    # Of a picture's halves left and right say nothing.
    halves = looked.table["layout"] == "side_by_side"
    return name if looked.is_derived or halves else f"{name}: {' to '.join(looked.names)}"
