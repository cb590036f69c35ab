"""The groups of commands: Typer's, with shorter help and pointers in errors."""

from typing import Any

from typer.core import TyperGroup

from imtrans.cli.other_programs import pointer


class CommandGroup(TyperGroup):
    """Some commands; their switches have no `<bool>` in the help, since they take no value."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types(command, ctx)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _without_types(self, ctx)
        super().format_help(ctx, formatter)


class Pointing(CommandGroup):
    """The outermost group: an unknown option says what does the same here."""

    _arguments: tuple[str, ...] = ()

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        self._arguments = tuple(args)
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            self._point(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            self._point(error)
            raise

    def _point(self, error: Any) -> None:
        """Add the pointer to the error of an unknown option; any other error stays as it is."""
        option = getattr(error, "option_name", None)
        if not isinstance(option, str) or not hasattr(error, "possibilities"):
            return
        command = error.ctx.command if error.ctx else self
        if command is self:  # an option of training before its command
            command = self.commands["train"]
        options = {one for parameter in command.params for one in parameter.opts}
        if line := pointer(command.name or "", options, option, self._arguments):
            error.message, error.possibilities = f"{error.message}; {line}", None


def _without_types(command: Any, ctx: Any) -> None:
    for parameter in command.get_params(ctx):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
