"""`imtrans plugins check`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import console, say

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.testing.package import Checked

PackageArgument = Annotated[
    str,
    typer.Argument(
        metavar="PACKAGE",
        help="A distribution that is installed, or a folder with its pyproject.toml.",
    ),
]
OptionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME.OPTION=VALUE",
        help="A value for an option that has no default: `--set gradient.alpha=2.0`.",
    ),
]


def check(package: PackageArgument, set_: OptionOption = None) -> None:
    """Check that a plugin keeps its contract: all that it registers, its commands, its recipes.

    Each component has a line, and each promise that is broken says what to do.

    Example: `imtrans plugins check imtrans-charbonnier`
    """
    import torch

    from imtrans.testing.package import check_package

    torch.set_num_threads(1)  # the networks are tiny, and threads would only wait for each other
    out = console()
    kept = broken = 0
    for checked in check_package(package, _options(set_ or [])):
        _print(out, checked)
        kept += checked.kept
        broken += len(checked.broken)
    faults = "1 fault" if broken == 1 else f"{broken or 'no'} faults"
    say(out, f"{_promises(kept)}, {faults}")
    raise typer.Exit(2 if broken else 0)


def _print(out: "Console", checked: "Checked") -> None:
    from imtrans.contracts.broken import BrokenContract

    if not checked.broken:
        say(out, f"ok      {checked.subject}: {_promises(checked.kept)}")
    for promise, fault in checked.broken:
        say(out, f"broken  {checked.subject}: {promise}")
        lines = fault.lesson.splitlines()[1:] if isinstance(fault, BrokenContract) else [fault]
        for line in lines:
            say(out, f"        {line.strip()}")
    if checked.untested:
        promises = "1 promise" if checked.untested == 1 else f"{checked.untested} promises"
        say(out, f"        {promises} could not be tested: see above")
    for promise, reason in checked.skipped:
        say(out, f"skipped {checked.subject}: {promise}: {reason}")


def _promises(kept: int) -> str:
    return f"{kept} promise{'' if kept == 1 else 's'} kept"


def _options(settings: list[str]) -> dict[str, dict[str, Any]]:
    """`gradient.alpha=2.0` as {"gradient": {"alpha": 2.0}}."""
    from imtrans.recipe.overrides import value_of

    found: dict[str, dict[str, Any]] = {}
    for setting in settings:
        place, equals, text = setting.partition("=")
        name, dot, option = place.strip().rpartition(".")
        if not (equals and dot and name and option):
            raise ImtransError(f"--set {setting}: write it as NAME.OPTION=VALUE")
        found.setdefault(name, {})[option] = value_of(text)
    return found
