"""A component to be tested: built small, with the options that its author gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.weights import MissingWeights
from imtrans.contracts.broken import BrokenContract
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.registry import Component
from imtrans.testing.command import Command

WIDTH = 4  # of what has an option of that name: wide networks promise the same, and take longer


class NotChecked(Exception):
    """Why a promise cannot be checked here: it does not concern this component, or a library of an
    extra or the weights of a network are missing."""


@dataclass(frozen=True)
class Case:
    """A component of a catalog, and an empty folder that may be written."""

    component: Component | Command
    catalog: Catalog
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_recipe(self) -> Component:
        """The component, which a recipe can name: not a command."""
        assert isinstance(self.component, Component)
        return self.component

    def build(self, *facts: object, **options: Any) -> Any:
        """The component of these facts, narrow where it has a width."""
        given = {**self.options_given(), **options}
        try:
            return self.of_recipe.build(*facts, **given)
        except ImtransError as error:
            if isinstance(error, MissingWeights) or "pip install" in str(error):
                raise NotChecked(str(error)) from error
            raise

    def options_given(self) -> dict[str, Any]:
        """Those of the author, and a narrow width. Raises BrokenContract where one is missing."""
        given = {**self._narrow(), **self.options}
        parameters = self.of_recipe.options
        missing = [n for n, p in parameters.items() if p.default is p.empty and n not in given]
        if missing:
            raise self.broken(
                f"its option {quoted(missing)} has no default, and none is given for the tests",
                "a component is tested with values for all of its options",
                f'give one: options={{"{self.component.name}": {{"{missing[0]}": ...}}}} in the '
                "marker imtrans_plugin, or give it a default",
            )
        return given

    def _narrow(self) -> dict[str, Any]:
        if "width" not in self.of_recipe.options:
            return {}
        problems = self.of_recipe.check({"name": self.component.name, "width": WIDTH})
        return {} if any(p.location == ("width",) for p in problems) else {"width": WIDTH}

    def broken(self, found: str, contract: str, remedy: str) -> BrokenContract:
        return BrokenContract(self.component, found, contract, remedy)
