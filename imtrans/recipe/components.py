"""The components that a recipe names, and whether the catalog has them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imtrans.recipe import defaults
from imtrans.recipe.problems import Problem
from imtrans.recipe.toml import Location

if TYPE_CHECKING:
    from imtrans.recipe.catalog import Catalog

METHOD_TABLES = ("generator", "discriminator", "adversarial", "loss")  # what methods build from
TRANSLATING = ("method", "generator", "derivation")  # the roles that translating needs


def component_problems(
    values: Mapping[str, Any], catalog: "Catalog", *, translator_only: bool = False
) -> list[Problem]:
    """Unknown components, options that their signatures do not allow, and tables that the recipe's
    method has no use for or misses."""
    problems = []
    if not translator_only:
        problems += [*_method_problems(values, catalog), *_class_problems(values, catalog)]
    for role, location, table in component_tables(values):
        name = table.get("name")
        if translator_only and role not in TRANSLATING or not isinstance(name, str):
            continue  # a missing or mistyped name is reported already
        registry = catalog.registries[role]
        if name not in registry:
            problems.append(Problem((*location, "name"), catalog.unknown(role, name)))
            continue
        for problem in registry[name].check(table):
            problems.append(Problem((*location, *problem.location), problem.message))
    return problems


def _method_problems(values: Mapping[str, Any], catalog: "Catalog") -> list[Problem]:
    name = _method(values).get("name")
    if not isinstance(name, str) or name not in catalog.methods:
        return []  # reported as an unknown component
    needs = catalog.methods[name].made.needs
    missing = [key for key in ("generator", "discriminator", "adversarial") if key in needs]
    return [
        *(
            Problem((key,), f"the key '{key}' is missing; the method '{name}' needs it")
            for key in missing
            if key not in values
        ),
        *(
            Problem((key,), f"the method '{name}' makes no use of it; remove it")
            for key in METHOD_TABLES
            if key not in needs and values.get(key) not in (None, [])  # as it is written whole
        ),
    ]


def _class_problems(values: Mapping[str, Any], catalog: "Catalog") -> Iterator[Problem]:
    """Losses between classes, where the channels of the target are none."""
    data = values.get("data")
    data = data if isinstance(data, dict) else {}
    target = data.get("target")
    if not data.get("derive") and isinstance(target, dict) and target.get("classes"):
        return
    for role, location, table in component_tables(values):
        name = table.get("name")
        if role != "loss" or not isinstance(name, str) or name not in catalog.losses:
            continue
        if getattr(catalog.losses[name].made, "of_classes", False):
            yield Problem(
                location,
                f"the loss '{name}' needs data.target.classes, the colours of the label map"
                + ("; a derived pair has none" if data.get("derive") else ""),
            )


def component_tables(
    values: Mapping[str, Any],
) -> Iterator[tuple[str, Location, Mapping[str, Any]]]:
    """Each component that a recipe names: its role, its place in the recipe, and its table."""
    yield "method", ("method",), _method(values)
    data, validation = values.get("data"), values.get("validate", {})
    if isinstance(data, dict):
        yield "layout", ("data", "layout"), _component(data.get("layout", defaults.LAYOUT))
        if data.get("derive") is not None:
            yield "derivation", ("data", "derive"), _component(data["derive"])
    for key, role in (
        ("generator", "generator"),
        ("discriminator", "discriminator"),
        ("adversarial", "adversarial loss"),
    ):
        if values.get(key) is not None:
            yield role, (key,), _component(values[key])
    for key, role in (("loss", "loss"), ("augment", "augmentation"), ("logger", "logger")):
        for index, table in enumerate(_list(values.get(key))):
            yield role, (key, index), _component(table)
    if isinstance(validation, dict):
        for index, table in enumerate(_list(validation.get("metrics", defaults.METRICS))):
            yield "metric", ("validate", "metrics", index), _component(table)


def _method(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": defaults.METHOD, **_component(values.get("method", {}))}


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()


def _component(value: Any) -> Mapping[str, Any]:
    """A component's table; where it has no options its name is enough."""
    if isinstance(value, str):
        return {"name": value}
    return value if isinstance(value, dict) else {}
