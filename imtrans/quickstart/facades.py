"""A little town drawn from a seed: labelled facade plans and the buildings they describe.

Each pair is a plan (flat label colours) and a photo (the same town, textured and lit), so that
pix2pix can be shown at work without a download. A town is a list of `Part`s in painting order;
both pictures are drawn from that list, so they cannot disagree.

Everything in the photo follows from the plan and the place in the picture: light falls from the
upper left, textures lie on fixed grids whose periods are powers of two (which a strided network
learns early), and whatever varies freely, such as a lit window, has a label of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Box = tuple[int, int, int, int]
Colour = tuple[int, ...]
Paint = Image.Image | Colour | None
Tint = tuple[Colour, str, int]  # a colour, the ramp along which it grows, and its strength

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
WALLS = ("brick", "cream", "rose", "stone")

# A town is laid out on UNITS x UNITS; its photo is painted SHARPNESS times larger and then
# scaled down, which smooths the edges.
UNITS, SHARPNESS = 128, 4
CANVAS = UNITS * SHARPNESS
GROUND, KERB = 112, 120


# What a town is.


@dataclass(frozen=True)
class Part:
    """One labelled thing; its box is left, top, right, bottom in units, the last two excluded."""

    label: str
    box: Box
    shape: str = "rect"


@dataclass(frozen=True)
class Building:
    left: int
    right: int
    wall: str
    roof: str
    crown: str  # what stands above the eaves: "hip", "gable", "stepped" or "flat"
    bays: int
    storeys: int
    rise: int  # the height of a storey
    opening: str  # the shape of doors and windows
    shutters: bool
    shop: bool
    balcony: int  # the bay that has balconies, or none of them

    @property
    def eaves(self) -> int:
        return GROUND - self.storeys * self.rise - 2

    def centre(self, bay: int) -> int:
        return self.left + (2 * bay + 1) * (self.right - self.left) // (2 * self.bays)


def town(rng: Random) -> Iterator[Part]:
    """Sky, hills and street, then one to three buildings, then trees and a lamp before them."""
    yield Part("sky", (0, 0, UNITS, UNITS))
    for _ in range(rng.randint(1, 3)):
        x, y, width = rng.randint(-12, 104), rng.randint(3, 40), rng.randint(24, 44)
        yield Part("cloud", (x, y, x + width, y + width * 2 // 5), "puff")
    for x in (rng.randint(-60, -10), rng.randint(30, 80)):
        yield Part("hill", (x, rng.randint(72, 92), x + 110, 160), "oval")
    yield Part("pavement", (0, GROUND, UNITS, KERB))
    yield Part("road", (0, KERB, UNITS, UNITS))
    corners = [0, UNITS]
    for building in _buildings(rng):
        yield from _building_parts(building, rng)
        corners += (building.left, building.right)
    for x in rng.sample(corners, rng.randint(1, 3)):
        yield from _tree(x, rng.randint(114, 118), rng)
    if rng.random() < 0.6:
        x = rng.randint(10, 118)
        yield Part("lamp", (x, 92, x + 2, 119))
        yield Part("lamp", (x - 2, 86, x + 4, 93), "oval")


def _buildings(rng: Random) -> Iterator[Building]:
    count = rng.choice((1, 2, 2, 3, 3))
    street = rng.randint(64, 88) if count == 1 else rng.randint(104, 124)
    left = rng.randint(4, UNITS - 4 - street) if count == 1 else (UNITS - street) // 2
    shares = [rng.uniform(1.0, 1.5) for _ in range(count)]
    for share, wall in zip(shares, rng.sample(WALLS, count), strict=True):
        plot = int(street * share / sum(shares))
        width = plot - rng.choice((0, 0, 4))
        bays, storeys = max(2, width // rng.randint(14, 17)), rng.randint(3 if count == 1 else 2, 4)
        yield Building(
            left=left,
            right=left + width,
            wall=wall,
            roof="slate" if wall == "stone" else rng.choice(("tiles", "tiles", "slate")),
            crown=rng.choice(("hip", "gable", "stepped", "flat")[:: 3 if width > 50 else 1]),
            bays=bays,
            storeys=storeys,
            rise=rng.randint(18, 20) if storeys == 4 else rng.randint(20, 24),
            opening=rng.choice(("rect", "rect", "arch")),
            shutters=rng.random() < 0.45,
            shop=rng.random() < 0.45,
            balcony=rng.randrange(-1, bays),
        )
        left += plot


def _building_parts(b: Building, rng: Random) -> Iterator[Part]:
    yield from _crown(b, b.right - b.left, (b.left + b.right) // 2)
    yield Part(b.wall, (b.left, b.eaves, b.right, GROUND))
    yield Part("trim", (b.left - 1, b.eaves - 1, b.right + 1, b.eaves + 2))
    yield Part("trim", (b.left, GROUND - b.rise - 1, b.right, GROUND - b.rise + 1))
    door = rng.randrange(b.bays)
    for bay in range(b.bays):
        if bay == door or b.shop:
            yield from _entrance(b, b.centre(bay), GROUND - b.rise + 5, bay == door)
        for storey in range(0 if bay != door and not b.shop else 1, b.storeys):
            floor = GROUND - 2 - storey * b.rise
            yield from _window(b, b.centre(bay), floor, storey > 0 and bay == b.balcony, rng)


def _crown(b: Building, width: int, middle: int) -> Iterator[Part]:
    eaves = b.eaves
    if b.crown == "hip":
        for x in (b.left + 5, b.right - 10):
            yield Part("brick", (x, eaves - 17, x + 5, eaves - 4))
            yield Part("trim", (x - 1, eaves - 18, x + 6, eaves - 16))
        yield Part(b.roof, (b.left - 1, eaves - 14, b.right + 1, eaves), "hip")
        for x in range(middle - (b.bays - 2) * 8, middle + (b.bays - 2) * 8 + 1, 16):
            yield Part("window", (x - 4, eaves - 10, x + 4, eaves - 1), "arch")
    elif b.crown == "gable":
        peak = eaves - width // 2
        yield Part(b.roof, (b.left - 2, peak - 2, b.right + 2, eaves), "gable")
        yield Part(b.wall, (b.left + 3, peak + 4, b.right - 3, eaves), "gable")
        yield Part("window", (middle - 4, eaves - 9, middle + 4, eaves - 1), "oval")
    else:
        # Each step is an inset from the sides and a height; a parapet is a single low step.
        steps = [(width * n // 8, 6 * n) for n in (3, 2, 1)] if b.crown == "stepped" else [(0, 6)]
        for inset, high in steps:
            left, top, right = b.left + inset, eaves - high, b.right - inset
            yield Part(b.wall, (left, top, right, eaves))
            yield Part("trim", (left - 1, top - 1, right + 1, top + 1))
        if b.crown == "stepped":
            yield Part("window", (middle - 4, eaves - 12, middle + 4, eaves - 2), "arch")


def _entrance(b: Building, x: int, top: int, door: bool) -> Iterator[Part]:
    if door:
        yield Part("door", (x - 5, top, x + 5, GROUND), b.opening)
        yield Part("trim", (x - 6, GROUND - 1, x + 6, GROUND + 2))
    else:
        half = (b.right - b.left) // b.bays // 2 - 1
        yield Part("shop", (x - half, top, x + half, GROUND))
        yield Part("awning", (x - half, top - 2, x + half, top + 5))


def _window(b: Building, x: int, floor: int, balcony: bool, rng: Random) -> Iterator[Part]:
    top, sill = floor - b.rise + 6, floor - 1 if balcony else floor - 4
    yield Part("lit" if rng.random() < 0.2 else "window", (x - 4, top, x + 4, sill), b.opening)
    if balcony:
        yield Part("balcony", (x - 7, floor - 7, x + 7, floor))
        return
    if b.shutters:
        yield Part("shutter", (x - 7, top, x - 4, sill))
        yield Part("shutter", (x + 4, top, x + 7, sill))
    if rng.random() < 0.3:
        yield Part("flowers", (x - 5, sill - 2, x + 5, sill + 2))
    else:
        yield Part("trim", (x - 5, sill, x + 5, sill + 1))


def _tree(x: int, foot: int, rng: Random) -> Iterator[Part]:
    half, top = rng.randint(7, 11), foot - rng.randint(28, 44)
    yield Part("trunk", (x - 1, foot - 12, x + 2, foot))
    if rng.random() < 0.5:
        yield Part("tree", (x - half, top, x + half, foot - 6), "puff")
    else:
        yield Part("tree", (x - half // 2, top, x + half // 2 + 1, foot - 3), "oval")


# The plan is drawn from it.

# Ovals that together make a cloud or the head of a tree, as fractions of the box.
_PUFF = ((0, 0.4, 0.5, 0.95), (0.5, 0.35, 1, 0.95), (0.2, 0, 0.75, 0.65), (0.2, 0.4, 0.8, 1))


def draw_plan(parts: list[Part], size: int) -> Image.Image:
    plan = Image.new("RGB", (size, size))
    for part in parts:
        _outline(ImageDraw.Draw(plan), part, size / UNITS, PALETTE[part.label])
    return plan


def _outline(
    draw: ImageDraw.ImageDraw, part: Part, scale: float, fill: int | Colour, x: int = 0, y: int = 0
) -> None:
    """Fill the part's shape on a drawing whose corner is at x, y (in units)."""
    left, top, right, bottom = part.box
    x0, y0 = round((left - x) * scale), round((top - y) * scale)
    x1, y1 = round((right - x) * scale) - 1, round((bottom - y) * scale) - 1
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


# The photo is painted from it: first the paints, then what each label is painted with.

SHADOW, IVORY, GLOW = (40, 30, 60), (248, 243, 230), (255, 226, 150)
IRON, GREEN = (46, 48, 60), (52, 92, 88)


@dataclass(frozen=True)
class Canvas:
    """The photo being painted, and a pen on it that blends colours that have an alpha."""

    image: Image.Image
    pen: ImageDraw.ImageDraw

    def rects(self, colour: Colour, *boxes: tuple[float, float, float, float]) -> None:
        """Boxes in units and fractions of one; those thinner than a pixel are left out."""
        for box in boxes:
            x0, y0, x1, y1 = (round(v * SHARPNESS) for v in box)
            if x0 < x1 and y0 < y1:
                self.pen.rectangle((x0, y0, x1 - 1, y1 - 1), colour)

    def fill(self, part: Part, paint: Paint, *tints: Tint, blur: int = 0) -> None:
        """Lay a colour, or the same place of a texture, into the part's shape; then tint it."""
        left, top, right, bottom = part.box
        box = (left * SHARPNESS, top * SHARPNESS, right * SHARPNESS, bottom * SHARPNESS)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        _outline(ImageDraw.Draw(mask), part, SHARPNESS, 255, left, top)
        if blur:
            mask = mask.filter(ImageFilter.BoxBlur(blur))
        if paint is not None:
            self.image.paste(
                paint.crop(box) if isinstance(paint, Image.Image) else paint, box, mask
            )
        for colour, kind, strength in tints:
            ramp = _ramp(kind, strength).resize(mask.size, Image.Resampling.NEAREST)
            self.image.paste(colour, box, ImageChops.multiply(mask, ramp))


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


def _blend(above: Colour, below: Colour, height: int) -> Image.Image:
    """A gradient that reaches the colour below at `height` units."""
    picture = Image.new("RGB", (CANVAS, CANVAS), below)
    size = (CANVAS, height * SHARPNESS)
    picture.paste(above, (0, 0), _ramp("up", 255).resize(size))
    return picture


def _masonry(width: int, height: int, colour: Colour, spread: int, joint: Colour) -> Image.Image:
    """Staggered courses of blocks, each a little lighter or darker, lit from the upper left."""
    rng = Random(width * height)
    wall = Image.new("RGB", (CANVAS, CANVAS), joint)
    pen = ImageDraw.Draw(wall, "RGBA")
    wide, high = width * SHARPNESS, height * SHARPNESS
    # The tones repeat every 32 units, so that they too can be learnt.
    tones = [
        [rng.randint(-spread, spread) for _ in range(32 // width)] for _ in range(32 // height)
    ]
    for row in range(UNITS // height):
        for column in range(-1, UNITS // width):
            x, y = column * wide + wide // 2 * (row % 2), row * high
            tone = tones[row % len(tones)][column % (32 // width)]
            pen.rectangle((x, y, x + wide - 3, y + high - 3), tuple(v + tone for v in colour))
            pen.line((x, y + high - 3, x, y, x + wide - 3, y), (255, 255, 255, 50))
    for cells in (24, 256):
        noise = Image.frombytes("L", (cells, cells), Random(cells).randbytes(cells * cells))
        noise = noise.resize(wall.size).point([128 + (v - 128) // 13 for v in range(256)])
        wall = ImageChops.add(wall, Image.merge("RGB", [noise] * 3), 1, -128)
    return wall


def _dabs(ground: Colour, radius: int, *colours: Colour) -> Image.Image:
    """Round dabs of paint scattered over a ground: leaves, or flowers."""
    rng = Random(radius)
    picture = Image.new("RGB", (CANVAS, CANVAS), ground)
    for _ in range(12000):
        x, y, r = rng.randrange(CANVAS), rng.randrange(CANVAS), rng.uniform(0.5, 1) * radius
        ImageDraw.Draw(picture).ellipse((x - r, y - r, x + r, y + r), rng.choice(colours))
    return picture


@cache
def _textures() -> dict[str, Image.Image]:
    reds, greens = ((236, 70, 96), (255, 150, 170), (250, 214, 90)), ((70, 140, 70), (90, 160, 80))
    leaves = ((74, 134, 64), (96, 156, 70), (126, 180, 84), (60, 116, 62))
    return {
        "sky": _blend((96, 164, 228), (255, 230, 198), GROUND),
        "cloud": Image.new("RGB", (CANVAS, CANVAS), (255, 252, 248)),
        "hill": _blend((150, 190, 196), (176, 204, 160), UNITS),
        "brick": _masonry(8, 4, (190, 92, 68), 14, (222, 192, 164)),
        "cream": _masonry(32, 8, (250, 230, 180), 2, (236, 212, 162)),
        "rose": _masonry(32, 8, (240, 164, 148), 2, (226, 148, 134)),
        "stone": _masonry(16, 8, (164, 182, 206), 9, (134, 148, 170)),
        "tiles": _masonry(4, 4, (212, 106, 66), 16, (140, 62, 44)),
        "slate": _masonry(4, 4, (98, 110, 138), 12, (62, 70, 92)),
        "pavement": _masonry(16, 4, (216, 205, 190), 6, (180, 168, 154)),
        "road": _masonry(8, 4, (132, 128, 138), 9, (102, 98, 110)),
        "tree": _dabs((74, 128, 64), 7, *leaves),
        "flowers": _dabs((66, 128, 66), 5, *reds, *greens),
    }


Painter = Callable[[Canvas, Part], None]
PAINTERS: dict[str, Painter] = {}


def _paints(*labels: str) -> Callable[[Painter], Painter]:
    def register(painter: Painter) -> Painter:
        PAINTERS.update(dict.fromkeys(labels, painter))
        return painter

    return register


def _inset(part: Part, left: int, top: int, right: int, bottom: int) -> Part:
    x0, y0, x1, y1 = part.box
    return replace(part, box=(x0 + left, y0 + top, x1 - right, y1 - bottom))


@_paints("sky", "cloud", "hill")
def _land(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _textures()[part.label], blur=5 if part.label == "cloud" else 0)


@_paints(*WALLS)
def _wall(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _textures()[part.label], (SHADOW, "right", 60), (SHADOW, "down", 25))


@_paints("tiles", "slate")
def _roof(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _textures()[part.label], (GLOW, "up", 60), (SHADOW, "right", 70))


@_paints("pavement", "road")
def _street(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, _ = part.box
    canvas.fill(part, _textures()[part.label])
    canvas.rects((*SHADOW, 60), (x0, y0, x1, y0 + 1.5))
    if part.label == "road":
        canvas.rects((226, 218, 206), (x0, y0 - 1, x1, y0 + 0.5))


@_paints("tree")
def _tree_head(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _textures()["tree"], (GLOW, "up", 70), ((20, 40, 60), "rim", 150))


@_paints("trunk")
def _trunk(canvas: Canvas, part: Part) -> None:
    x0, _, x1, y1 = part.box
    canvas.rects((*SHADOW, 70), (x0 - 4, y1 - 1, x1 + 9, y1 + 1))
    canvas.fill(part, (116, 84, 62), (SHADOW, "right", 150))


@_paints("lamp")
def _lamp(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, IRON)
    if part.shape == "oval":
        canvas.fill(_inset(part, 1, 1, 1, 1), GLOW)
        canvas.fill(_inset(part, -5, -5, -5, -5), None, (GLOW, "core", 150))


@_paints("trim")
def _trim(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rects((*SHADOW, 65), (x0 + 1, y1, x1 - 1, y1 + 1), (x0 + 1, y1, x1 - 1, y1 + 2))
    canvas.fill(part, IVORY)
    canvas.rects((*SHADOW, 70), (x0, y1 - 0.5, x1, y1))


@_paints("window", "lit")
def _glass(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    middle, rail = (x0 + x1) / 2, y0 + (y1 - y0) * 0.42
    night, day = ((255, 196, 92), (255, 246, 200)), ((58, 88, 132), (206, 234, 250))
    deep, bright = night if part.label == "lit" else day
    canvas.fill(part, IVORY)
    canvas.fill(_inset(part, 1, 1, 1, 1), deep, (bright, "up", 220))
    canvas.rects(
        (*SHADOW, 80), (x0 + 1, y0 + 1, x1 - 1, y0 + 2), (x0 + 1, y0 + 1, x0 + 1.75, y1 - 1)
    )
    canvas.rects(IVORY, (middle - 0.4, y0, middle + 0.4, y1), (x0, rail, x1, rail + 0.75))


@_paints("shutter")
def _shutter(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rects((*SHADOW, 70), (x1, y0 + 0.5, x1 + 0.75, y1 + 0.75))
    canvas.fill(part, (98, 152, 128))
    slats = range(y0 // 2 * 2 + 2, y1 - 1, 2)
    canvas.rects((*SHADOW, 110), *((x0 + 0.5, y, x1 - 0.5, y + 0.75) for y in slats))


@_paints("flowers")
def _flower_box(canvas: Canvas, part: Part) -> None:
    x0, _, x1, y1 = part.box
    canvas.rects((*SHADOW, 80), (x0 + 0.5, y1, x1, y1 + 1))
    canvas.fill(part, _textures()["flowers"])
    canvas.rects((150, 92, 66), (x0, y1 - 1.5, x1, y1))


@_paints("balcony")
def _balcony(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rects((*SHADOW, 60), part.box, (x0 + 1, y1, x1 - 1, y1 + 2.5))
    bars = range(x0 // 2 * 2 + 2, x1, 2)
    canvas.rects(IRON, (x0, y0, x1, y0 + 1), *((x - 0.5, y0, x + 0.25, y1) for x in bars))
    canvas.rects(IVORY, (x0 - 0.5, y1 - 1.5, x1 + 0.5, y1))


@_paints("door")
def _door(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    middle, light = (x0 + x1) / 2, y0 + 4
    canvas.fill(part, IVORY)
    canvas.fill(_inset(part, 1, 1, 1, 0), (40, 98, 114), (SHADOW, "right", 60))
    canvas.rects(GLOW, (x0 + 2, light - 2, x1 - 2, light))
    canvas.rects(IVORY, (x0 + 1, light + 0.5, x1 - 1, light + 1.25))
    tall = (y1 - light) * 0.3
    for left in (x0 + 1.75, middle + 0.5):
        for top in (light + 2, light + 2 * tall):
            canvas.rects((24, 64, 80), (left, top, left + 2, top + tall))
            canvas.rects((76, 138, 152), (left + 0.25, top + 0.5, left + 2, top + tall))
    canvas.rects(GLOW, (middle + 0.2, y1 - 6, middle + 1, y1 - 5.2))


@_paints("shop")
def _shop(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    middle = (x0 + x1) / 2
    canvas.fill(part, GREEN)
    canvas.fill(_inset(part, 1, 1, 1, 4), (84, 70, 84), (GLOW, "down", 230))
    canvas.rects((120, 160, 150), (x0 + 1, y1 - 4, x1 - 1, y1 - 3.25))
    canvas.rects(GREEN, (middle - 0.4, y0, middle + 0.4, y1 - 4))


@_paints("awning")
def _awning(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rects((*SHADOW, 110), (x0, y1, x1, y1 + 2.5))
    canvas.fill(part, IVORY)
    stripes = range(x0 // 4 * 4, x1, 4)
    canvas.rects((212, 66, 72), *((max(x, x0), y0, min(x + 2, x1), y1) for x in stripes))
    canvas.fill(part, None, (SHADOW, "down", 70))


def draw_photo(parts: list[Part], size: int) -> Image.Image:
    image = Image.new("RGB", (CANVAS, CANVAS))
    canvas = Canvas(image, ImageDraw.Draw(image, "RGBA"))
    for part in parts:
        PAINTERS[part.label](canvas, part)
    return image.resize((size, size), Image.Resampling.BOX)


def draw_pair(seed: int, size: int = 128) -> tuple[Image.Image, Image.Image]:
    """A plan and its photo, both RGB and size x size; a seed always gives the same bytes."""
    parts = list(town(Random(seed)))
    return draw_plan(parts, size), draw_photo(parts, size)


def write_pairs(folder: Path, count: int, *, seed: int, size: int = 128) -> None:
    """Write `count` pairs as folder/0000.png and on, the plan left and the photo right."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pair = Image.new("RGB", (2 * size, size))
        # Spread out, so that sets written from neighbouring seeds share no town.
        for column, picture in enumerate(draw_pair(seed * 1_000_003 + index, size)):
            pair.paste(picture, (column * size, 0))
        pair.save(folder / f"{index:04d}.png")
