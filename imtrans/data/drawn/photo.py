"""The photo of a town: colours, textures and details for each label.

Everything in it follows from the plan and the position in the picture: light falls from the upper
left, textures have fixed grids whose periods are powers of two (which a strided network learns
early), and whatever varies freely, such as a lit window, has a label of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from imtrans.data.drawn.plan import Colour, outline
from imtrans.data.drawn.town import UNITS, TownPart

SHARPNESS = 4  # drawn this many times larger, then scaled down, which smooths the edges
CANVAS = UNITS * SHARPNESS

SHADOW, IVORY, GLOW = (40, 30, 60), (248, 243, 230), (255, 226, 150)
IRON, GREEN = (46, 48, 60), (52, 92, 88)
Paint = Image.Image | Colour | None
Tint = tuple[Colour, str, int]  # a colour, the ramp along which it grows, and its strength
Detail = Callable[[Image.Image, TownPart], None]


def _inset(part: TownPart, by: int, foot: int) -> TownPart:
    """The same shape, smaller by `by` on three sides and by `foot` at the bottom."""
    x0, y0, x1, y1 = part.box
    return replace(part, box=(x0 + by, y0 + by, x1 - by, y1 - foot))


def _rects(photo: Image.Image, colour: Colour, *boxes: tuple[float, float, float, float]) -> None:
    """Blend a colour into boxes, given in units."""
    pen = ImageDraw.Draw(photo, "RGBA")
    for box in boxes:
        x0, y0, x1, y1 = (round(v * SHARPNESS) for v in box)
        pen.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), colour)


def _fill(photo: Image.Image, part: TownPart, paint: Paint, *tints: Tint) -> None:
    """Fill the part's shape with a colour, or with a texture at the same position; then tint
    it."""
    left, top, right, bottom = part.box
    box = (left * SHARPNESS, top * SHARPNESS, right * SHARPNESS, bottom * SHARPNESS)
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    outline(ImageDraw.Draw(mask), part, SHARPNESS, 255, left, top)
    if part.label == "cloud":
        mask = mask.filter(ImageFilter.BoxBlur(5))
    if paint is not None:
        photo.paste(paint.crop(box) if isinstance(paint, Image.Image) else paint, box, mask)
    for colour, kind, strength in tints:
        ramp = _ramp(kind, strength).resize(mask.size, Image.Resampling.NEAREST)
        photo.paste(colour, box, ImageChops.multiply(mask, ramp))


@cache
def _ramp(kind: str, strength: int) -> Image.Image:
    """A mask from 0 to `strength` going down, up or right, or towards a "rim" or a "core"."""
    ramp = {
        "down": Image.linear_gradient("L"),
        "up": Image.linear_gradient("L").rotate(180),
        "right": Image.linear_gradient("L").rotate(90),
        "rim": Image.radial_gradient("L").crop((64, 80, 256, 256)),
        "core": ImageChops.invert(Image.radial_gradient("L")),
    }[kind]
    return ramp.point([v * strength // 255 for v in range(256)])


def _masonry(width: int, height: int, colour: Colour, spread: int, joint: Colour) -> Image.Image:
    """Staggered courses of blocks, each a little lighter or darker, lit from the upper left."""
    rng = Random(width * height)
    wall = Image.new("RGB", (CANVAS, CANVAS), joint)
    pen = ImageDraw.Draw(wall, "RGBA")
    wide, high = width * SHARPNESS, height * SHARPNESS
    # The tones repeat every 32 units, so that they can be learned too.
    columns, rows = 32 // width, 32 // height
    tones = [rng.randint(-spread, spread) for _ in range(columns * rows)]
    for row in range(UNITS // height):
        for column in range(-1, UNITS // width):
            x, y = column * wide + wide // 2 * (row % 2), row * high
            tone = tones[row % rows * columns + column % columns]
            pen.rectangle((x, y, x + wide - 3, y + high - 3), tuple(v + tone for v in colour))
            pen.line((x, y + high - 3, x, y, x + wide - 3, y), (255, 255, 255, 50))
    for cells in (24, 256):
        noise = Image.frombytes("L", (cells, cells), Random(cells).randbytes(cells * cells))
        noise = noise.resize(wall.size).point([128 + (v - 128) // 13 for v in range(256)])
        wall = ImageChops.add(wall, Image.merge("RGB", [noise] * 3), 1, -128)
    return wall


def _dabs(colours: tuple[Colour, ...], radius: int) -> Image.Image:
    """Overlapping round dabs of paint: leaves, or flowers."""
    rng = Random(radius)
    picture = Image.new("RGB", (CANVAS, CANVAS), colours[-1])
    pen = ImageDraw.Draw(picture)
    for _ in range(12000):
        x, y, r = rng.randrange(CANVAS), rng.randrange(CANVAS), rng.uniform(0.5, 1) * radius
        pen.ellipse((x - r, y - r, x + r, y + r), rng.choice(colours))
    return picture


def _detail_street(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, _ = part.box
    _rects(photo, (*SHADOW, 60), (x0, y0, x1, y0 + 1.5))
    if part.label == "road":
        _rects(photo, IVORY, (x0, y0 - 1, x1, y0 + 0.25))


def _detail_trunk(photo: Image.Image, part: TownPart) -> None:
    _, _, x1, y1 = part.box
    _rects(photo, (*SHADOW, 70), (x1 - 6, y1, x1 + 6, y1 + 1), (x1, y1 - 1, x1 + 9, y1))


def _detail_lamp(photo: Image.Image, part: TownPart) -> None:
    if part.shape == "oval":
        _fill(photo, _inset(part, 1, 1), GLOW)
        _fill(photo, _inset(part, -5, -5), None, (GLOW, "core", 150))


def _detail_trim(photo: Image.Image, part: TownPart) -> None:
    x0, _, x1, y1 = part.box
    _rects(photo, (*SHADOW, 70), (x0, y1 - 0.5, x1, y1))
    _rects(photo, (*SHADOW, 65), (x0 + 1, y1, x1 - 1, y1 + 1), (x0 + 1, y1, x1 - 1, y1 + 2))


def _detail_window(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, y1 = part.box
    middle, rail = (x0 + x1) / 2, y0 + (y1 - y0) * 0.42
    evening, day = ((255, 196, 92), (255, 246, 200)), ((58, 88, 132), (206, 234, 250))
    deep, bright = evening if part.label == "lit" else day
    _fill(photo, _inset(part, 1, 1), deep, (bright, "up", 220))
    _rects(
        photo, (*SHADOW, 80), (x0 + 1, y0 + 1, x1 - 1, y0 + 2), (x0 + 1, y0 + 1, x0 + 1.75, y1 - 1)
    )
    _rects(photo, IVORY, (middle - 0.4, y0, middle + 0.4, y1), (x0, rail, x1, rail + 0.75))


def _detail_shutter(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, y1 = part.box
    slats = ((x0 + 0.5, y, x1 - 0.5, y + 0.75) for y in range(y0 // 2 * 2 + 2, y1 - 1, 2))
    _rects(photo, (*SHADOW, 100), (x1, y0 + 0.5, x1 + 0.75, y1 + 0.75), *slats)


def _detail_flowers(photo: Image.Image, part: TownPart) -> None:
    x0, _, x1, y1 = part.box
    _rects(photo, (150, 92, 66), (x0, y1 - 1.5, x1, y1))
    _rects(photo, (*SHADOW, 80), (x0 + 0.5, y1, x1, y1 + 1))


def _detail_balcony(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, y1 = part.box
    bars = ((x - 0.5, y0, x + 0.25, y1) for x in range(x0 // 2 * 2 + 2, x1, 2))
    _rects(photo, IRON, (x0, y0, x1, y0 + 1), *bars)
    _rects(photo, IVORY, (x0 - 0.5, y1 - 1.5, x1 + 0.5, y1))
    _rects(photo, (*SHADOW, 80), (x0 + 1, y1, x1 - 1, y1 + 2.5))


def _detail_door(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, y1 = part.box
    middle, light, tall = (x0 + x1) / 2, y0 + 4, (y1 - y0 - 4) * 0.3
    _fill(photo, _inset(part, 1, 0), (40, 98, 114), (SHADOW, "right", 60))
    _rects(photo, IVORY, (x0 + 1, light + 0.5, x1 - 1, light + 1.25))
    for left in (x0 + 1.75, middle + 0.5):
        for top in (light + 2, light + 2 * tall):
            _rects(photo, (24, 64, 80), (left, top, left + 2, top + tall))
            _rects(photo, (76, 138, 152), (left + 0.25, top + 0.5, left + 2, top + tall))
    knob = (middle + 0.2, y1 - 6, middle + 1, y1 - 5.2)
    _rects(photo, GLOW, (x0 + 2, light - 2, x1 - 2, light), knob)


def _detail_shop(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, y1 = part.box
    middle = (x0 + x1) / 2
    _fill(photo, _inset(part, 1, 4), (84, 70, 84), (GLOW, "down", 230))
    _rects(photo, GREEN, (middle - 0.4, y0, middle + 0.4, y1 - 4))
    _rects(photo, (120, 160, 150), (x0 + 1, y1 - 4, x1 - 1, y1 - 3.25))


def _detail_awning(photo: Image.Image, part: TownPart) -> None:
    x0, y0, x1, y1 = part.box
    stripes = ((max(x, x0), y0, min(x + 2, x1), y1) for x in range(x0 // 4 * 4, x1, 4))
    _rects(photo, (212, 66, 72), *stripes)
    _rects(photo, (*SHADOW, 100), (x0, y1, x1, y1 + 2.5))
    _fill(photo, part, None, (SHADOW, "down", 70))


@cache
def _finishes() -> dict[str, tuple[Paint, tuple[Tint, ...], Detail | None]]:
    """For each label its paint, the tints of light and shadow, and its details."""
    leaves = ((74, 134, 64), (96, 156, 70), (126, 180, 84), (60, 116, 62))
    blooms = ((236, 70, 96), (255, 150, 170), (250, 214, 90), (70, 140, 70), (90, 160, 80))
    wall: tuple[Tint, ...] = ((SHADOW, "right", 48), (SHADOW, "down", 20))
    roof: tuple[Tint, ...] = ((GLOW, "up", 60), (SHADOW, "right", 70))
    return {
        "sky": ((96, 164, 228), (((255, 228, 194), "down", 255),), None),
        "cloud": ((255, 254, 250), (((206, 206, 232), "down", 170),), None),
        "hill": ((150, 190, 190), (((196, 210, 150), "down", 200),), None),
        "brick": (_masonry(8, 4, (190, 92, 68), 14, (222, 192, 164)), wall, None),
        "cream": (_masonry(32, 8, (252, 232, 180), 2, (238, 214, 162)), wall, None),
        "rose": (_masonry(32, 8, (242, 164, 148), 2, (228, 148, 134)), wall, None),
        "stone": (_masonry(16, 8, (164, 182, 206), 9, (134, 148, 170)), wall, None),
        "tiles": (_masonry(4, 4, (214, 108, 66), 16, (140, 62, 44)), roof, None),
        "slate": (_masonry(4, 4, (98, 110, 138), 12, (62, 70, 92)), roof, None),
        "pavement": (_masonry(16, 4, (216, 205, 190), 6, (180, 168, 154)), (), _detail_street),
        "road": (_masonry(8, 4, (132, 128, 138), 9, (102, 98, 110)), (), _detail_street),
        "tree": (_dabs(leaves, 7), ((GLOW, "up", 70), ((20, 40, 60), "rim", 150)), None),
        "trunk": ((116, 84, 62), ((SHADOW, "right", 150),), _detail_trunk),
        "lamp": (IRON, (), _detail_lamp),
        "trim": (IVORY, (), _detail_trim),
        **dict.fromkeys(("window", "lit"), (IVORY, (), _detail_window)),
        "shutter": ((98, 152, 128), (), _detail_shutter),
        "flowers": (_dabs(blooms, 5), (), _detail_flowers),
        "balcony": (None, ((SHADOW, "up", 60),), _detail_balcony),
        "door": (IVORY, (), _detail_door),
        "shop": (GREEN, (), _detail_shop),
        "awning": (IVORY, (), _detail_awning),
    }


def draw_photo(parts: list[TownPart], size: int) -> Image.Image:
    photo = Image.new("RGB", (CANVAS, CANVAS))
    for part in parts:
        paint, tints, detail = _finishes()[part.label]
        _fill(photo, part, paint, *tints)
        if detail is not None:
            detail(photo, part)
    return photo.resize((size, size), Image.Resampling.BOX)
