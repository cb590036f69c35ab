"""What every component promises, whatever its role: that a person can use it from a recipe."""

from typing import Any

from imtrans.recipe.problems import validate
from imtrans.recipe.registry import describe_annotation, schema_of
from imtrans.testing.case import Case


def is_documented(case: Case) -> None:
    if case.of_recipe.documentation == "not documented":
        raise case.broken(
            "it has no docstring",
            "`imtrans plugins show` prints the docstring of a builder",
            "write one: what it computes, its shapes, range and units, and its source",
        )


def its_options_say_what_they_take(case: Case) -> None:
    for name, option in case.of_recipe.options.items():
        if option.annotation is option.empty:
            raise case.broken(
                f"its option '{name}' has no annotation: any value would be taken",
                "each option is checked against its annotation",
                f"annotate it, as in `{name}: {_type_of(option.default)}`",
            )
        if option.default is option.empty:
            continue
        checked = validate(schema_of(name, [option]), {name: option.default})
        if isinstance(checked, list):
            raise case.broken(
                f"its option '{name}' is {describe_annotation(option.annotation)}, and its default "
                f"{option.default!r} is refused: {checked[0].message}",
                "a default is a value that a recipe could give",
                "change the default or the annotation",
            )


def _type_of(default: Any) -> str:
    return type(default).__name__ if isinstance(default, bool | int | float | str) else "float"


PROMISES = (is_documented, its_options_say_what_they_take)
