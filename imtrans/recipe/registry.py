"""Names and what they build: one registry per role.

A builder's signature is its schema. Positional parameters are facts of the data; keyword-only
parameters are recipe options, checked against their annotations. An option that a
`functools.partial` has already given is fixed, and no option any more.

Metrics are often classes of torchmetrics, which know nothing of this: whatever of their parameters
has a default that can be checked is an option too.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.errors import PydanticUserError

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.recipe.problems import Problem, validate
from imtrans.recipe.schema import LossTable
from imtrans.recipe.tables import ComponentTable

RESERVED = ("name", "weight")  # keys of the recipe itself, in every component's table
METHOD = ("needs", "paired", "directions", "translator")  # what a class of a method has


@dataclass(frozen=True)
class Plugin:
    """The module a component comes from, and the distribution that shipped it."""

    module: str
    distribution: str
    version: str

    @property
    def is_third_party(self) -> bool:
        return self.distribution != "imtrans"

    def __str__(self) -> str:
        return f"{self.module} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class Component:
    """A named builder and where it comes from."""

    role: str
    name: str
    builder: Callable[..., Any]
    plugin: Plugin

    def __str__(self) -> str:
        return f"{self.role} '{self.name}' from plugin {self.plugin}"

    @property
    def fixed(self) -> dict[str, Any]:
        """What a partial has given already."""
        return self.builder.keywords if isinstance(self.builder, partial) else {}

    @cached_property
    def parameters(self) -> list[inspect.Parameter]:
        signature = inspect.signature(self.builder, eval_str=True)
        return [p for p in signature.parameters.values() if p.name not in self.fixed]

    @cached_property
    def options(self) -> dict[str, inspect.Parameter]:
        """The recipe options: the keyword-only parameters."""
        if self.role == "metric":
            return {p.name: p for p in self.parameters if _is_option_of_a_metric(p)}
        return {p.name: p for p in self.parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def made(self) -> Any:
        """The class or function behind the builder."""
        return self.builder.func if isinstance(self.builder, partial) else self.builder

    @property
    def documentation(self) -> str:
        """The builder's docstring."""
        # Not getdoc, which would give a class without a docstring that of nn.Module.
        return inspect.cleandoc(self.made.__doc__ or "not documented")

    @cached_property
    def _schema(self) -> type[BaseModel]:
        return schema_of(self.name, self.options.values())

    @cached_property
    def _table(self) -> type[BaseModel]:
        """The whole recipe table: the options beside the recipe's own keys."""
        base = LossTable if self.role == "loss" else ComponentTable
        closed = create_model("Closed", __base__=base)
        closed.model_config["extra"] = "forbid"
        return create_model(self.name, __base__=(closed, self._schema))

    def check(self, table: Mapping[str, Any]) -> list[Problem]:
        """Every problem of a recipe's table against the signature."""
        checked = validate(self._table, table)
        return checked if isinstance(checked, list) else []

    def build(self, *facts: object, **options: Any) -> Any:
        """What the builder makes of these facts and of checked options."""
        return self.builder(*facts, **self.checked(**options))

    def checked(self, **options: Any) -> dict[str, Any]:
        """All options, defaults filled in. Raises ValueError at the first that is not allowed."""
        checked = validate(self._schema, options)
        if isinstance(checked, list):
            first = checked[0]
            raise ValueError(f"{'.'.join(map(str, first.location))}: {first.message}")
        return {name: getattr(checked, name) for name in self.options}

    def check_signature(self, facts: tuple[str, ...]) -> None:
        """Refuse, at registration, a builder that could only fail later."""

        def fault(what: str) -> ImtransError:
            return ImtransError(f"plugin {self.plugin}: {self.role} '{self.name}': {what}")

        try:
            parameters = self.parameters
        except (NameError, TypeError, ValueError) as error:
            raise fault(f"its builder has no readable signature: {error}") from error
        if self.role == "metric":
            parameters = [p for p in parameters if p.default is p.empty and not _is_variadic(p)]
        positional = [
            p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        if len(positional) != len(facts):
            found = quoted(p.name for p in positional) or "none"
            raise fault(
                f"its positional parameters are {found}; imtrans gives "
                f"{quoted(facts) or 'none'}. options are keyword-only: put them after '*'"
            )
        if any(map(_is_variadic, parameters)):
            raise fault("name every option: '*args' and '**kwargs' cannot be checked")
        if taken := [name for name in RESERVED if name in self.options]:
            raise fault(f"the option {quoted(taken)} is a key of the recipe itself; rename it")
        if self.role == "method" and not all(hasattr(self.made, name) for name in METHOD):
            raise fault("its builder is not a class derived from imtrans.api.method.Method")
        try:
            _ = self._schema
        except (PydanticUserError, TypeError, NameError) as error:
            raise fault(self._unsupported()) from error

    def _unsupported(self) -> str:
        """Of the options, the first that a recipe cannot give."""
        name, parameter = next(
            (name, parameter)
            for name, parameter in self.options.items()
            if not _can_be_checked(parameter)
        )
        return (
            f"its option '{name}' is of type {describe_annotation(parameter.annotation)}, which a "
            "recipe cannot give. use bool, int, float, str, Literal, a tuple or list of them, or "
            "None beside one"
        )


def schema_of(name: str, options: Iterable[inspect.Parameter]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        p.name: (
            Any if p.annotation is p.empty else p.annotation,
            ... if p.default is p.empty else p.default,
        )
        for p in options
    }
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, allow_inf_nan=False)
    return create_model(name, __config__=config, **fields)


def _is_variadic(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)


def _is_option_of_a_metric(parameter: inspect.Parameter) -> bool:
    if _is_variadic(parameter) or parameter.kind is parameter.POSITIONAL_ONLY:
        return False
    if parameter.kind is parameter.KEYWORD_ONLY:
        return True
    # A tensor or a network no recipe can give.
    return _can_be_checked(parameter) and parameter.default is not parameter.empty


def _can_be_checked(parameter: inspect.Parameter) -> bool:
    try:
        schema_of("Option", [parameter])
    except (PydanticUserError, TypeError, NameError):
        return False
    return True


def describe_annotation(annotation: Any) -> str:
    """An option's type as a person reads it: `int, >= 1`, or `'batch', 'instance'`."""
    if annotation is inspect.Parameter.empty:
        return "anything"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [getattr(item, "metadata", [item]) for item in inner[1:]]
        said = ", ".join(filter(None, map(_limit, chain.from_iterable(limits))))
        return f"{describe_annotation(inner[0])}{', ' + said if said else ''}"
    if origin is Literal:
        return " or ".join(repr(value) for value in inner)
    if origin is Sequence:
        return f"a list of {describe_annotation(inner[0])}"
    if origin in (UnionType, Union):
        return " or ".join(map(describe_annotation, inner))
    return getattr(annotation, "__name__", str(annotation)) if origin is None else str(annotation)


def _limit(constraint: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of"}
    return ", ".join(
        f"{sign} {getattr(constraint, name)}"
        for name, sign in signs.items()
        if hasattr(constraint, name)
    )


@dataclass
class Registry:
    """The components of one role, by name."""

    role: str
    facts: tuple[str, ...]
    components: dict[str, Component] = field(default_factory=dict)

    def register(self, name: str, builder: Callable[..., Any], plugin: Plugin) -> None:
        component = Component(self.role, name, builder, plugin)
        if name in self.components:
            raise ImtransError(
                f"the {self.role} name '{name}' is taken: registered by "
                f"{self.components[name].plugin} and by {plugin}. uninstall one of them"
            )
        component.check_signature(self.facts)
        self.components[name] = component

    def names(self) -> list[str]:
        return sorted(self.components)

    def __iter__(self) -> Iterator[Component]:
        return (self.components[name] for name in self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.components

    def __getitem__(self, name: str) -> Component:
        if name not in self.components:
            raise ImtransError(self.unknown(name))
        return self.components[name]

    def unknown(self, name: str) -> str:
        near = did_you_mean(name, self.components)
        return f"no {self.role} '{name}'{near or '; known are ' + quoted(self.names())}"
