"""Sizes as recipes write them: one number for a square, or [height, width]."""

from typing import Annotated

from pydantic import AfterValidator, Field

Sides = tuple[int, int]  # height and width, px
_Length = Annotated[int, Field(ge=1)]


def _square_as_number(size: int | Sides) -> int | Sides:
    """One way to write each size, so that equal ones are equal."""
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size


PixelSize = Annotated[_Length | tuple[_Length, _Length], AfterValidator(_square_as_number)]


def sides_of(size: int | Sides) -> Sides:
    """Its height and width."""
    return (size, size) if isinstance(size, int) else size


def size_of(height: int, width: int) -> int | Sides:
    """A size as a recipe writes it."""
    return _square_as_number((height, width))


def px(size: int | Sides) -> str:
    """A size in words, width first as everywhere: `256 px`, `1024 x 512 px`."""
    return f"{size} px" if isinstance(size, int) else f"{size[1]} x {size[0]} px"
