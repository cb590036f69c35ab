"""Errors that a user sees and can fix, and helpers to word them."""

from collections.abc import Iterable
from difflib import get_close_matches


class ImtransError(Exception):
    """A mistake that the user can fix: printed as one message, exit code 2, no traceback.

    The message says what is wrong, where, and what to do; in lower case, with values quoted.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x' or 'y'?` for the nearest known words; empty if none is near."""
    near = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"; did you mean {quoted(near, ' or ')}?" if near else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, on any device, or Python ran out of memory."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def quoted(words: Iterable[str], separator: str = ", ") -> str:
    return separator.join(f"'{word}'" for word in words)


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first few names, and the number of the others."""
    names = list(names)
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
