"""Every command with its arguments and options, as `--help` has them."""

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer

from imtrans.cli.main import app
from imtrans.cli.third_party import ThirdParty


def commands() -> str:
    """A section for each command; those of a group follow it."""
    return "\n\n".join(_sections("imtrans", typer.main.get_command(app), level=2))


def _sections(path: str, command: Any, level: int) -> Iterator[str]:
    for name, child in _children(command):
        yield "\n\n".join(_parts(f"{path} {name}", child, level))
        yield from _sections(f"{path} {name}", child, level + 1)


def _children(command: Any) -> list[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        return []
    context = command.context_class(command)
    found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
    # Those of third parties are on the pages of their plugins.
    return [(name, one) for name, one in found if not isinstance(one, ThirdParty)]


def _parts(path: str, command: Any, level: int) -> Iterator[str]:
    yield f"{'#' * level} {path.removeprefix('imtrans ')} {{#{path.replace(' ', '-')}}}"
    pieces = command.collect_usage_pieces(command.context_class(command))
    yield f"```text\n{' '.join([path, *pieces])}\n```"
    yield inspect.cleandoc(command.help or "")
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each not in arguments and not each.hidden]
    if arguments:
        yield "\n".join(["| argument | |", "|---|---|", *map(_argument, arguments)])
    if options:
        yield "\n".join(["| option | values | |", "|---|---|---|", *map(_option, options)])


def _argument(parameter: Any) -> str:
    return f"| `{parameter.metavar or parameter.name.upper()}` | {_meaning(parameter)} |"


def _option(parameter: Any) -> str:
    names = (*parameter.opts, *parameter.secondary_opts)
    said = ", ".join(f"`{name}`" for name in names)
    return f"| {said} | {_values(parameter)} | {_meaning(parameter)} |"


def _values(parameter: Any) -> str:
    if parameter.is_flag:
        return ""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        said = ", ".join(f"`{each.value}`" for each in kind)
    elif get_origin(kind) is Literal:
        said = ", ".join(f"`{each}`" for each in get_args(kind))
    else:
        said = f"`{parameter.metavar or getattr(kind, '__name__', 'text').upper()}`"
    return f"{said}, any number of times" if parameter.multiple else said


def _meaning(parameter: Any) -> str:
    text = " ".join((parameter.help or "").split()).replace("|", "\\|")
    default = getattr(parameter.default, "value", parameter.default)
    if default in (None, "", (), [], False) or callable(default) or not parameter.show_default:
        return text
    return f"{text} Default: `{default}`."
