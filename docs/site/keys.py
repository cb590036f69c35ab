"""The keys of a recipe, as the schema has them: type and default from the code that checks them,
the meaning from the text below each field.
"""

import ast
import inspect
from typing import get_type_hints

from allowed import allowed, as_toml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from imtrans.recipe import schema
from imtrans.sweeping import file as sweeps

TABLES: dict[str, type[BaseModel]] = {
    "recipe": schema.Recipe,
    "data": schema.DataTable,
    "side": schema.SideTable,
    "train": schema.TrainTable,
    "validate": schema.ValidateTable,
    "sweep": sweeps.SweepTable,
}


def keys(name: str) -> str:
    """A row for each key of a table."""
    table = TABLES[name]
    meaning, types = meanings(table), get_type_hints(table, include_extras=True)
    rows = (
        f"| `{field.alias or key}` | {allowed(types[key])} | {_default(field)} | {meaning[key]} |"
        for key, field in table.model_fields.items()
    )
    return "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *rows])


def meanings(table: type[BaseModel]) -> dict[str, str]:
    """The text below each field of a table's class."""
    (body,) = ast.parse(inspect.getsource(table)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            if not isinstance(text, ast.Expr) or not isinstance(text.value, ast.Constant):
                raise ValueError(f"{table.__name__}.{field.target.id} has no text below it")
            found[field.target.id] = " ".join(str(text.value.value).split()).replace("|", "\\|")
    return found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    default = field.get_default(call_default_factory=True)
    return "" if isinstance(default, BaseModel) and not _name(default) else as_toml(default)


def _name(default: BaseModel) -> str:
    return getattr(default, "name", "")
