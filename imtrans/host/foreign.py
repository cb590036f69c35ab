"""Reading what others wrote: files, settings, answers of servers.

Parsers raise many kinds of errors at input that nobody foresaw: nesting without end, numbers of
thousands of digits, a list where a table belongs. Here they become one line for the user. Put only
the parsing itself within: elsewhere the same errors are mistakes of the program.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from imtrans.api.errors import ImtransError
from imtrans.host.words import plain

# What parsers, and whatever takes a parsed value for another kind, raise at a damaged text.
FAULTS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
DIGITS = 18  # of a number that is within 64 bits for certain
REASON = 200  # characters of what a parser says


@contextmanager
def reading(what: object, fault: str = "cannot be read") -> Iterator[None]:
    """Make any error of parsing in the block an ImtransError: `WHAT: FAULT: reason`."""
    try:
        yield
    except (*FAULTS, RuntimeError) as error:
        if not isinstance(error, FAULTS) and not is_overflow(error):
            raise
        raise ImtransError(f"{what}: {fault}: {reason(error)}") from error


def is_overflow(error: BaseException) -> bool:
    """Whether a size is beyond what Python or torch can count."""
    return isinstance(error, OverflowError) or (
        isinstance(error, RuntimeError) and "overflow" in str(error).lower()
    )


def reason(error: BaseException) -> str:
    """What an error says, on one line, without the stack frames that torch adds."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if is_overflow(error):
        return "a number in it is too large"
    if "int_max_str_digits" in str(error) or "integer string conversion" in str(error):
        return "a number in it has too many digits"
    return plain(str(error).strip().split("\n")[0] or type(error).__name__, REASON)


def whole_number(text: str) -> int | None:
    """The number that a text is, from 0 and within 64 bits; None for any other text."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else None
