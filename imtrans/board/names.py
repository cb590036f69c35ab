"""Names of colours, so that one can be chosen by whoever does not see it, or sees it otherwise.

A recipe knows the colours of its classes and not what they mean.
"""

from collections.abc import Sequence
from colorsys import rgb_to_hsv

RGB = tuple[int, int, int]

# Up to which hue (degrees) a colour has a name, and that name where it is dark.
HUES: tuple[tuple[float, str, str], ...] = (
    (14, "red", "dark red"),
    (43, "orange", "brown"),
    (68, "yellow", "olive"),
    (95, "lime", "dark green"),
    (158, "green", "dark green"),
    (194, "turquoise", "dark turquoise"),
    (212, "sky blue", "dark blue"),
    (254, "blue", "dark blue"),
    (284, "purple", "dark purple"),
    (325, "magenta", "dark magenta"),
    (346, "pink", "dark pink"),
    (361, "red", "dark red"),
)
GREYS = ((0.1, "black"), (0.4, "dark grey"), (0.65, "grey"), (0.94, "light grey"), (1.0, "white"))
PALE, DARK, TINT = 0.12, 0.55, 0.45  # of saturation, value, and saturation


def names_of(colours: Sequence[RGB]) -> list[str]:
    """A name for each colour; each name once, numbered from the second of its kind on."""
    found: list[str] = []
    times: dict[str, int] = {}
    for name in map(_name, colours):
        times[name] = times.get(name, 0) + 1
        found.append(name if times[name] == 1 else f"{name} {times[name]}")
    return found


def _name(colour: RGB) -> str:
    hue, saturation, value = rgb_to_hsv(*(level / 255 for level in colour))
    if saturation < PALE or value < 0.1:
        return next(name for top, name in GREYS if value <= top)
    name, dark = next((name, dark) for top, name, dark in HUES if hue * 360 < top)
    if value < DARK:
        return dark
    return f"light {name}" if saturation < TINT and value > 0.7 else name
