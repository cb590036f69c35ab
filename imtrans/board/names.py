"""Names of colours, so that one can be chosen by whoever does not see it, or sees it otherwise.

A recipe knows the colours of its classes and not what they mean.
"""

from collections.abc import Sequence

RGB = tuple[int, int, int]

NAMED: dict[str, RGB] = {
    "black": (0, 0, 0),
    "dark grey": (70, 70, 70),
    "grey": (128, 128, 128),
    "light grey": (200, 200, 200),
    "white": (255, 255, 255),
    "dark red": (128, 0, 0),
    "red": (220, 20, 40),
    "orange": (255, 120, 0),
    "brown": (120, 75, 30),
    "beige": (235, 215, 175),
    "yellow": (255, 225, 0),
    "olive": (128, 128, 0),
    "light green": (150, 255, 100),
    "green": (50, 160, 60),
    "dark green": (0, 80, 30),
    "turquoise": (0, 240, 225),
    "dark turquoise": (0, 128, 128),
    "light blue": (110, 180, 255),
    "blue": (0, 80, 240),
    "dark blue": (0, 0, 150),
    "purple": (120, 50, 160),
    "magenta": (240, 50, 230),
    "pink": (255, 170, 200),
}


def names_of(colours: Sequence[RGB]) -> list[str]:
    """A name for each colour, of the nearest that has one; each name once, numbered from the second
    of its kind on."""
    found: list[str] = []
    times: dict[str, int] = {}
    for colour in colours:
        name = min(NAMED, key=lambda each: _apart(NAMED[each], colour))
        times[name] = times.get(name, 0) + 1
        found.append(name if times[name] == 1 else f"{name} {times[name]}")
    return found


def _apart(one: RGB, other: RGB) -> float:
    """How unlike two colours look: squared, weighted as in Riemersma's "low-cost approximation"."""
    red = (one[0] + other[0]) / 2
    r, g, b = ((a - b) ** 2 for a, b in zip(one, other, strict=True))
    return (2 + red / 256) * r + 4 * g + (2 + (255 - red) / 256) * b
