"""The version of the plugin API: of `imtrans.api` and of the hooks.

A module of a plugin may say `IMTRANS_API = 1`: the version that it was written for. Without it the
plugin counts as written for this one.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

VERSION = 1


@dataclass(frozen=True)
class BreakingChange:
    """What a plugin written for a version before this one may not know."""

    version: int  # the first with the change
    what: str  # what is otherwise now, as a clause
    remedy: str  # what an author does about it
    hooks: frozenset[str]  # the roles that it concerns: plugins without these hooks go on as before


CHANGES: tuple[BreakingChange, ...] = ()


def breaking(written_for: int, hooks: Collection[str]) -> Iterator[BreakingChange]:
    """The changes since a version that concern a plugin with these hooks."""
    for change in CHANGES:
        if change.version > written_for and not change.hooks.isdisjoint(hooks):
            yield change
