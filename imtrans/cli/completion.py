"""What a shell completes: names of recipes, keys of `--set`, and runs. Without torch, and quietly.

`imtrans --install-completion` teaches it to the shell. Where nothing here fits, the shell completes
names of files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_origin

RUNS = "runs"


def _quietly(complete: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """No message may get between a person and the line that is being typed."""

    def call(*given: Any) -> list[str]:
        try:
            return complete(*given)
        except Exception:  # a recipe that cannot be read, a folder that may not be listed
            return []

    return call


def recipes(incomplete: str) -> list[str]:
    """The names of recipes that begin so."""
    return _quietly(_recipes)(incomplete)


def sweeps(incomplete: str) -> list[str]:
    """The names of sweeps that begin so."""
    return _quietly(_sweeps)(incomplete)


def runs(incomplete: str) -> list[str]:
    """The runs in ./runs that begin so."""
    return _quietly(_runs)(incomplete)


def keys(ctx: Any, incomplete: str) -> list[str]:
    """The keys of the recipe that was named, or of any, up to their `=`."""
    # While an option has no value yet, arguments are not assigned to their names.
    return _quietly(_keys)(ctx.params.get("recipe") or next(iter(ctx.args), None), incomplete)


def _recipes(incomplete: str) -> list[str]:
    from imtrans.recipe.reading import available

    return [name for name in available() if name.startswith(incomplete)]


def _sweeps(incomplete: str) -> list[str]:
    from imtrans.recipe.shelves import SWEEPS

    return [name for name in SWEEPS.available() if name.startswith(incomplete)]


def _runs(incomplete: str) -> list[str]:
    found = (path.parent.as_posix() for path in sorted(Path(RUNS).glob("*/recipe.toml")))
    return [path for path in found if path.startswith(incomplete)]


def _keys(recipe: str | None, incomplete: str) -> list[str]:
    from imtrans.recipe.schema import Recipe

    found = dict.fromkeys([*_of_model(Recipe), *_of_recipe(recipe)])
    return [f"{key}=" for key in found if key.startswith(incomplete)]


def _of_model(model: Any, start: str = "") -> Iterator[str]:
    """Every key of a table and of the tables below it."""
    from pydantic import BaseModel

    for name, field in model.model_fields.items():
        key = f"{start}{field.alias or name}"
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        tables = [one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)]
        if tables and get_origin(field.annotation) is not tuple:
            yield from _of_model(tables[0], f"{key}.")
        else:
            yield key


def _of_recipe(recipe: str | None) -> Iterator[str]:
    """What else a recipe has: the options of its components, as `loss.l1.weight`."""
    import tomllib

    from imtrans.recipe.reading import find, text_of

    if not recipe:
        return
    for table, values in tomllib.loads(text_of(find(recipe))).items():
        entries = values if isinstance(values, list) else [values]
        for entry in entries:
            if isinstance(entry, dict):
                start = f"{table}.{entry.get('name')}" if entries is values else table
                yield from (f"{start}.{key}" for key in entry)
