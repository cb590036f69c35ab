"""The plan of a town: every part in the flat colour of its label."""

from PIL import Image, ImageDraw

from imtrans.data.drawn.town import UNITS, TownPart

Colour = tuple[int, ...]

PALETTE: dict[str, tuple[int, int, int]] = {
    "sky": (0, 0, 120),
    "cloud": (70, 70, 200),
    "hill": (0, 80, 110),
    "brick": (200, 0, 0),
    "cream": (255, 220, 90),
    "rose": (255, 120, 170),
    "stone": (120, 150, 200),
    "tiles": (255, 110, 0),
    "slate": (90, 60, 130),
    "trim": (255, 255, 255),
    "window": (0, 170, 255),
    "lit": (255, 255, 0),
    "shutter": (0, 130, 90),
    "flowers": (255, 0, 255),
    "balcony": (0, 255, 220),
    "door": (130, 60, 0),
    "shop": (150, 255, 80),
    "awning": (160, 0, 90),
    "tree": (0, 190, 0),
    "trunk": (90, 90, 0),
    "lamp": (0, 0, 0),
    "pavement": (170, 170, 170),
    "road": (80, 80, 80),
}

# Ovals that together form a cloud or the crown of a tree, as fractions of the box.
_PUFF = ((0, 0.4, 0.5, 0.95), (0.5, 0.35, 1, 0.95), (0.2, 0, 0.75, 0.65), (0.2, 0.4, 0.8, 1))


def draw_plan(parts: list[TownPart], size: int) -> Image.Image:
    plan = Image.new("RGB", (size, size))
    for part in parts:
        outline(ImageDraw.Draw(plan), part, size / UNITS, PALETTE[part.label])
    return plan


def outline(
    draw: ImageDraw.ImageDraw,
    part: TownPart,
    scale: float,
    fill: int | Colour,
    x: int = 0,
    y: int = 0,
) -> None:
    """Fill the part's shape on a drawing whose upper left corner is at x, y (in units)."""
    left, top, right, bottom = part.box
    x0, y0 = round((left - x) * scale), round((top - y) * scale)
    # At small sizes a part may be thinner than a pixel; it is then drawn as one pixel.
    x1 = max(x0, round((right - x) * scale) - 1)
    y1 = max(y0, round((bottom - y) * scale) - 1)
    wide, high = x1 - x0, y1 - y0
    match part.shape:
        case "rect":
            draw.rectangle((x0, y0, x1, y1), fill)
        case "oval":
            draw.ellipse((x0, y0, x1, y1), fill)
        case "arch":
            draw.ellipse((x0, y0, x1, y0 + wide), fill)
            draw.rectangle((x0, y0 + wide // 2, x1, y1), fill)
        case "puff":
            for a, b, c, d in _PUFF:
                draw.ellipse((x0 + a * wide, y0 + b * high, x0 + c * wide, y0 + d * high), fill)
        case _:
            slope = wide // 2 if part.shape == "gable" else high * 2 // 3
            draw.polygon([(x0, y1), (x0 + slope, y0), (x1 - slope, y0), (x1, y1)], fill)
