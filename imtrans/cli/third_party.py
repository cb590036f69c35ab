"""Commands of third parties: Typer apps that installed distributions name in `imtrans.commands`.

An entry point `gradient = "imtrans_gradient_cli:app"` makes `imtrans gradient`. Its module is
imported when the command is called, and not before: `imtrans --help` lists it by its distribution.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand

from imtrans.api.errors import ImtransError
from imtrans.cli.groups import Pointing

GROUP = "imtrans.commands"


class Commands(Pointing):
    """The commands of imtrans, and behind them those of third parties. Ours keep their names."""

    def list_commands(self, ctx: Any) -> list[str]:
        ours = super().list_commands(ctx)
        return [*ours, *sorted(name for name in _installed() if name not in ours)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        ours = super().get_command(ctx, cmd_name)
        point = _installed().get(cmd_name)
        return ours or (ThirdParty(point) if point else None)


class ThirdParty(TyperCommand):
    """A command whose module is imported when it is called."""

    def __init__(self, point: EntryPoint) -> None:
        source = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        text = f"A command of {source}."
        super().__init__(point.name, help=text, short_help=text)
        self._point = point

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,
        **extra: Any,
    ) -> Any:
        return self._loaded().make_context(info_name, args, parent, **extra)

    def _loaded(self) -> Any:
        try:
            app = self._point.load()
        except Exception as error:  # a third party's code: anything can come out of it
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ImtransError(
                f"the command '{self._point.name}' ({self._point.value}) cannot be imported: "
                f"{reason}"
            ) from error
        if isinstance(app, typer.Typer):
            return typer.main.get_command(app)
        raise ImtransError(
            f"the command '{self._point.name}' ({self._point.value}) is not a Typer app but "
            f"{type(app).__name__}"
        )


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
