"""A command that a distribution brings, to be tested beside its components."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from imtrans.recipe.registry import Plugin

GROUP = "imtrans.commands"


@dataclass(frozen=True)
class Command:
    """An entry point that names a Typer app."""

    point: EntryPoint
    role = "command"

    @property
    def name(self) -> str:
        return self.point.name

    @property
    def plugin(self) -> Plugin:
        dist = self.point.dist
        name, version = (dist.name, dist.version) if dist else ("unknown", "?")
        return Plugin(self.point.value, name, version)

    def __str__(self) -> str:
        return f"command '{self.name}' from {self.plugin}"


def installed_commands() -> Iterator[Command]:
    return map(Command, sorted(entry_points(group=GROUP), key=lambda point: point.name))
