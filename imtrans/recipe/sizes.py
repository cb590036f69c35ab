"""Sizes as recipes write them: one number for a square, or [height, width]."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

Sides = tuple[int, int]  # height and width, px
_Length = Annotated[int, Field(ge=1)]


def _square_as_number(size: int | Sides) -> int | Sides:
    """One way to write each size, so that equal ones are equal."""
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size


def _is_size(size: Any) -> Any:
    """One sentence for both forms, instead of one for each."""
    sides = size if isinstance(size, list | tuple) and len(size) == 2 else [size]
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
        raise ValueError(f"{size!r} is not a whole number of px, nor [height, width]")
    if min(sides) < 1:
        raise ValueError(f"{size!r} is less than 1 px")
    return tuple(sides) if len(sides) == 2 else size


PixelSize = Annotated[
    _Length | tuple[_Length, _Length],
    BeforeValidator(_is_size),
    AfterValidator(_square_as_number),
]


def sides_of(size: int | Sides) -> Sides:
    """Its height and width."""
    return (size, size) if isinstance(size, int) else size


def size_of(height: int, width: int) -> int | Sides:
    """A size as a recipe writes it."""
    return _square_as_number((height, width))


def px(size: int | Sides) -> str:
    """A size in words, width first as everywhere: `256 px`, `1024 x 512 px`."""
    return f"{size} px" if isinstance(size, int) else f"{size[1]} x {size[0]} px"
