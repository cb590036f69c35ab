"""What the tables of a recipe have in common: no unknown key, and components by their names."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from imtrans.recipe import defaults

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ComponentTable(Table):
    """A component by its name; every other key is an option of that component."""

    name: str

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _short(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _usual_method(value: Any) -> Any:
    return {"name": defaults.METHOD, **value} if isinstance(value, dict) else _short(value)


Component = Annotated[ComponentTable, BeforeValidator(_short)]
MethodTable = Annotated[ComponentTable, BeforeValidator(_usual_method)]
