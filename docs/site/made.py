"""What is written while the site is built, out of the program itself: it is never out of date."""

from collections.abc import Callable

from commands import commands
from components import components
from keys import keys
from rules import rules

MAKERS: dict[str, Callable[..., str]] = {
    "commands": commands,
    "components": components,
    "keys": keys,
    "rules": rules,
}
