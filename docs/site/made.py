"""What is written while the site is built, out of the program itself, so that it cannot be wrong."""

from collections.abc import Callable

from commands import commands
from components import components
from keys import keys

MAKERS: dict[str, Callable[..., str]] = {
    "commands": commands,
    "components": components,
    "keys": keys,
}
