"""A little town drawn from a seed: labelled facade plans and the buildings they describe.

Each pair is a plan (flat label colours) and a photo (the same town textured and lit), so that
pix2pix can be shown at work without a download. A town is a list of `Part`s in painting order;
the plan and the photo are both drawn from that list, so they cannot disagree.

Everything in the photo follows from the plan and the position in the picture: light falls from
the upper left, textures lie on a fixed grid whose periods are powers of two (which a strided
network learns at once), and what may vary freely, such as a lit window, has a label of its own.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Box = tuple[int, int, int, int]
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
WALLS = ("brick", "cream", "rose", "stone")

# A town is laid out on a picture of UNITS x UNITS; the photo is painted SHARPNESS times larger
# and then scaled down, which smooths its edges.
UNITS = 128
SHARPNESS = 4
CANVAS = UNITS * SHARPNESS
GROUND, KERB = 112, 120


# What a town is.


@dataclass(frozen=True)
class Part:
    """One labelled thing: `box` is left, top, right, bottom in units, right and bottom excluded."""

    label: str
    box: Box
    shape: str = "rect"


@dataclass(frozen=True)
class Building:
    left: int
    right: int
    wall: str
    roof: str
    crown: str  # how it ends at the top: "hip", "gable", "stepped" or "flat"
    bays: int
    storeys: int
    height: int  # of one storey
    window: str  # the shape of its windows: "rect" or "arch"
    shuttered: bool
    shop: bool
    balcony_bay: int | None

    @property
    def eaves(self) -> int:
        return GROUND - self.storeys * self.height - 2

    def bay_centre(self, bay: int) -> int:
        return self.left + round((bay + 0.5) * (self.right - self.left) / self.bays)


def town(rng: Random) -> list[Part]:
    """Sky, hills and street, then one to three buildings, then trees and a lamp before them."""
    parts = [Part("sky", (0, 0, UNITS, UNITS))]
    for _ in range(rng.randint(1, 3)):
        x, y, width = rng.randint(-12, 104), rng.randint(3, 40), rng.randint(24, 44)
        parts.append(Part("cloud", (x, y, x + width, y + width * 2 // 5), "puff"))
    for x in (rng.randint(-60, -10), rng.randint(30, 80)):
        parts.append(Part("hill", (x, rng.randint(72, 92), x + 110, 160), "oval"))
    parts.append(Part("pavement", (0, GROUND, UNITS, KERB)))
    parts.append(Part("road", (0, KERB, UNITS, UNITS)))
    buildings = list(_row_of_buildings(rng))
    for building in buildings:
        parts += _building_parts(building, rng)
    parts += _greenery(buildings, rng)
    return parts


def _row_of_buildings(rng: Random) -> Iterator[Building]:
    count = rng.choice((1, 2, 2, 3, 3))
    street = rng.randint(60, 84) if count == 1 else rng.randint(104, 124)
    left = rng.randint(4, UNITS - street - 4) if count == 1 else (UNITS - street) // 2
    shares = [rng.uniform(1.0, 1.5) for _ in range(count)]
    walls = rng.sample(WALLS, count)
    for share, wall in zip(shares, walls, strict=True):
        width = int(street * share / sum(shares)) - rng.choice((0, 0, 4))
        yield _building(rng, left, left + width, wall)
        left += int(street * share / sum(shares))


def _building(rng: Random, left: int, right: int, wall: str) -> Building:
    bays = max(2, (right - left) // rng.randint(14, 17))
    storeys = rng.randint(2, 4)
    narrow = right - left < 50
    return Building(
        left=left,
        right=right,
        wall=wall,
        roof="slate" if wall == "stone" else rng.choice(("tiles", "tiles", "slate")),
        crown=rng.choice(("hip", "gable", "stepped", "flat") if narrow else ("hip", "hip", "flat")),
        bays=bays,
        storeys=storeys,
        height=rng.randint(20, 24) if storeys < 4 else rng.randint(18, 20),
        window=rng.choice(("rect", "rect", "arch")),
        shuttered=rng.random() < 0.45,
        shop=rng.random() < 0.45,
        balcony_bay=rng.randrange(bays) if rng.random() < 0.6 else None,
    )


def _building_parts(b: Building, rng: Random) -> Iterator[Part]:
    yield from _crown(b)
    yield Part(b.wall, (b.left, b.eaves, b.right, GROUND))
    yield Part("trim", (b.left - 1, b.eaves - 1, b.right + 1, b.eaves + 2))
    yield Part("trim", (b.left, GROUND - b.height - 1, b.right, GROUND - b.height + 1))
    yield from _ground_floor(b, rng)
    for storey in range(1, b.storeys):
        floor = GROUND - storey * b.height - 2
        for bay in range(b.bays):
            yield from _window_bay(b, b.bay_centre(bay), floor, bay == b.balcony_bay, rng)


def _crown(b: Building) -> Iterator[Part]:
    """Whatever stands above the eaves."""
    width, middle = b.right - b.left, (b.left + b.right) // 2
    if b.crown == "hip":
        for x in (b.left + 5, b.right - 10):
            yield Part("brick", (x, b.eaves - 17, x + 5, b.eaves - 4))
            yield Part("trim", (x - 1, b.eaves - 18, x + 6, b.eaves - 16))
        yield Part(b.roof, (b.left - 1, b.eaves - 14, b.right + 1, b.eaves), "hip")
        for x in range(middle - (b.bays - 2) * 8, middle + (b.bays - 2) * 8 + 1, 16):
            yield Part("window", (x - 4, b.eaves - 10, x + 4, b.eaves - 1), "arch")
    elif b.crown == "gable":
        rise = width // 2 - 2
        yield Part(b.roof, (b.left - 2, b.eaves - rise - 4, b.right + 2, b.eaves), "gable")
        yield Part(b.wall, (b.left + 3, b.eaves - rise + 2, b.right - 3, b.eaves), "gable")
        yield Part("window", (middle - 4, b.eaves - 9, middle + 4, b.eaves - 1), "oval")
    elif b.crown == "stepped":
        for step in (3, 2, 1):
            inset, top = step * width // 8, b.eaves - step * 6
            yield Part(b.wall, (b.left + inset, top, b.right - inset, b.eaves))
            yield Part("trim", (b.left + inset - 1, top - 1, b.right - inset + 1, top + 1))
        yield Part("window", (middle - 4, b.eaves - 12, middle + 4, b.eaves - 2), "arch")
    else:
        yield Part(b.wall, (b.left, b.eaves - 6, b.right, b.eaves))
        yield Part("trim", (b.left - 1, b.eaves - 7, b.right + 1, b.eaves - 5))


def _ground_floor(b: Building, rng: Random) -> Iterator[Part]:
    door = rng.randrange(b.bays)
    top = GROUND - b.height + 5
    for bay in range(b.bays):
        x = b.bay_centre(bay)
        if bay == door:
            yield Part("door", (x - 5, top, x + 5, GROUND), b.window)
            yield Part("trim", (x - 6, GROUND - 1, x + 6, GROUND + 2))
        elif b.shop:
            half = (b.right - b.left) // b.bays // 2 - 1
            yield Part("shop", (x - half, top, x + half, GROUND))
            yield Part("awning", (x - half, top - 2, x + half, top + 5))
        else:
            yield from _window_bay(b, x, GROUND - 2, False, rng)


def _window_bay(b: Building, x: int, floor: int, balcony: bool, rng: Random) -> Iterator[Part]:
    label = "lit" if rng.random() < 0.2 else "window"
    top = floor - b.height + 6
    if balcony:
        yield Part(label, (x - 4, top, x + 4, floor - 1), b.window)
        yield Part("balcony", (x - 7, floor - 7, x + 7, floor))
        return
    sill = floor - 4
    yield Part(label, (x - 4, top, x + 4, sill), b.window)
    if b.shuttered:
        yield Part("shutter", (x - 7, top, x - 4, sill))
        yield Part("shutter", (x + 4, top, x + 7, sill))
    if rng.random() < 0.3:
        yield Part("flowers", (x - 5, sill - 2, x + 5, sill + 2))
    else:
        yield Part("trim", (x - 5, sill, x + 5, sill + 1))


def _greenery(buildings: list[Building], rng: Random) -> Iterator[Part]:
    """Trees beside the buildings where there is room, and sometimes one before them."""
    spots = [0, *(b.left for b in buildings), *(b.right for b in buildings), UNITS]
    for x in rng.sample(spots, rng.randint(1, 3)):
        foot, width, height = rng.randint(114, 118), rng.randint(14, 22), rng.randint(24, 40)
        shape = rng.choice(("puff", "oval"))
        width = width if shape == "puff" else width // 2
        yield Part("trunk", (x - 1, foot - 12, x + 2, foot))
        top = foot - height - 4
        bottom = foot - 6 if shape == "puff" else foot - 3
        yield Part("tree", (x - width // 2, top, x + width // 2, bottom), shape)
    if rng.random() < 0.6:
        x = rng.randint(10, 118)
        yield Part("lamp", (x, 92, x + 2, 119))
        yield Part("lamp", (x - 2, 86, x + 4, 93), "oval")


# The plan is drawn from it.


def draw_plan(parts: list[Part], size: int) -> Image.Image:
    plan = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(plan)
    draw.fontmode = "1"
    for part in parts:
        _outline(draw, part, size / UNITS, PALETTE[part.label])
    return plan


# Ovals that together make a cloud or the top of a tree, as fractions of the box.
_PUFF = ((0.0, 0.4, 0.5, 0.95), (0.5, 0.35, 1.0, 0.95), (0.2, 0.0, 0.75, 0.65), (0.2, 0.4, 0.8, 1.0))


def _outline(
    draw: ImageDraw.ImageDraw, part: Part, scale: float, fill: int | Colour, origin: Box | None = None
) -> None:
    """Fill the part's shape, with `origin` (in units) as the corner of the drawing."""
    dx, dy = origin[:2] if origin else (0, 0)
    left, top, right, bottom = part.box
    x0, y0 = round((left - dx) * scale), round((top - dy) * scale)
    x1, y1 = round((right - dx) * scale) - 1, round((bottom - dy) * scale) - 1
    width, height = x1 - x0, y1 - y0
    if part.shape == "rect":
        draw.rectangle((x0, y0, x1, y1), fill=fill)
    elif part.shape == "oval":
        draw.ellipse((x0, y0, x1, y1), fill=fill)
    elif part.shape == "arch":
        draw.ellipse((x0, y0, x1, y0 + width), fill=fill)
        draw.rectangle((x0, y0 + width // 2, x1, y1), fill=fill)
    elif part.shape == "puff":
        for a, b, c, d in _PUFF:
            box = (x0 + a * width, y0 + b * height, x0 + c * width, y0 + d * height)
            draw.ellipse(box, fill=fill)
    else:
        slope = width // 2 if part.shape == "gable" else height * 2 // 3
        draw.polygon([(x0, y1), (x0 + slope, y0), (x1 - slope, y0), (x1, y1)], fill=fill)


# The photo is painted from it.


@dataclass(frozen=True)
class Canvas:
    """The photo being painted; boxes are in units and may be fractions of one."""

    image: Image.Image
    draw: ImageDraw.ImageDraw  # blends colours that have an alpha

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        box = [round(v * SHARPNESS) for v in (x0, y0, x1, y1)]
        if box[2] > box[0] and box[3] > box[1]:
            self.draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=fill)

    def fill(self, part: Part, paint: Image.Image | Colour) -> None:
        """Lay a colour, or the same place of a full-size texture, into the part's shape."""
        if not isinstance(paint, Image.Image):
            return _outline(self.draw, part, SHARPNESS, paint)
        box, mask = _mask(part)
        self.image.paste(paint.crop(box), box, mask)

    def shade(self, part: Part, colour: Colour, ramp: Image.Image) -> None:
        """Tint the part's shape with a colour, as strongly as the ramp stretched over it says."""
        box, mask = _mask(part)
        self.image.paste(colour, box, ImageChops.multiply(mask, ramp.resize(mask.size)))


def _mask(part: Part) -> tuple[Box, Image.Image]:
    left, top, right, bottom = (v * SHARPNESS for v in part.box)
    mask = Image.new("L", (right - left, bottom - top))
    _outline(ImageDraw.Draw(mask), part, SHARPNESS, 255, part.box)
    return (left, top, right, bottom), mask


def _inset(part: Part, by: int) -> Part:
    left, top, right, bottom = part.box
    return replace(part, box=(left + by, top + by, right - by, bottom - by))


@cache
def _ramp(kind: str, strength: int) -> Image.Image:
    """A mask from 0 to `strength`: "down", "up", "right", or "ball" (0 where light falls)."""
    if kind == "ball":
        ramp = Image.radial_gradient("L").crop((64, 80, 256, 256))
        ramp = ramp.point(lambda v: max(0, v - 30))
    else:
        turns = {"down": 0, "right": 90, "up": 180}
        ramp = Image.linear_gradient("L").rotate(turns[kind])
    return ramp.point(lambda v: v * strength // 255)


@cache
def _sky() -> Image.Image:
    """Blue above, peach at the horizon."""
    return _blend((104, 168, 226), (255, 226, 190), "down")


def _blend(start: Colour, end: Colour, kind: str) -> Image.Image:
    picture = Image.new("RGB", (CANVAS, CANVAS), start)
    picture.paste(end, (0, 0), _ramp(kind, 255).resize(picture.size))
    return picture


@cache
def _grain(cells: int, strength: int) -> Image.Image:
    """Grey noise around 128 whose lumps are CANVAS / cells wide."""
    noise = Image.frombytes("L", (cells, cells), Random(cells).randbytes(cells * cells))
    noise = noise.resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    return noise.point(lambda v: 128 + (v - 128) * strength // 128)


def _roughen(picture: Image.Image, strength: int) -> Image.Image:
    for cells in (24, 256):
        grain = Image.merge("RGB", [_grain(cells, strength)] * 3)
        picture = ImageChops.add(picture, grain, 1, -128)
    return picture


@cache
def _masonry(width: int, height: int, colour: Colour, spread: int, joint: Colour) -> Image.Image:
    """Staggered courses of blocks, each a little lighter or darker, lit from the upper left."""
    rng = Random(width * height)
    tile = Image.new("RGB", (32 * SHARPNESS, 32 * SHARPNESS), joint)
    draw = ImageDraw.Draw(tile, "RGBA")
    wide, high = width * SHARPNESS, height * SHARPNESS
    for row in range(32 // height):
        shift = wide // 2 * (row % 2)
        for column in range(32 // width):
            tone = rng.randint(-spread, spread)
            fill = tuple(v + tone for v in colour)
            for x in {column * wide + shift, column * wide + shift - 32 * SHARPNESS}:
                y = row * high
                draw.rectangle((x, y, x + wide - 3, y + high - 3), fill=fill)
                draw.line((x, y + high - 3, x, y, x + wide - 3, y), fill=(255, 255, 255, 50))
    whole = Image.new("RGB", (CANVAS, CANVAS))
    for place in range(16):
        whole.paste(tile, (place % 4 * tile.width, place // 4 * tile.height))
    return _roughen(whole, 10)


@cache
def _scales(colour: Colour, spread: int) -> Image.Image:
    """Rounded roof tiles, each row overlapping the one below it."""
    rng = Random(7)
    roof = Image.new("RGB", (CANVAS, CANVAS), colour)
    draw = ImageDraw.Draw(roof)
    step = 4 * SHARPNESS
    for row in range(CANVAS // step, -1, -1):
        for x in range(-step // 2 * (row % 2), CANVAS, step):
            tone = rng.randint(-spread, spread)
            fill = tuple(v + tone for v in colour)
            edge = tuple(v * 6 // 10 for v in colour)
            draw.ellipse((x, (row - 1) * step, x + step - 1, (row + 1) * step), edge)
            draw.ellipse((x + 1, (row - 1) * step, x + step - 2, (row + 1) * step - 3), fill)
    return _roughen(roof, 8)


@cache
def _dabs(ground: Colour, colours: tuple[Colour, ...], count: int, radius: int) -> Image.Image:
    """Round dabs of paint scattered over a ground: leaves, or flowers."""
    rng = Random(count)
    picture = Image.new("RGB", (CANVAS, CANVAS), ground)
    draw = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y, r = rng.randrange(CANVAS), rng.randrange(CANVAS), rng.uniform(0.5, 1) * radius
        draw.ellipse((x - r, y - r, x + r, y + r), rng.choice(colours))
    return picture


@cache
def _texture(label: str) -> Image.Image:
    match label:
        case "brick":
            return _masonry(8, 4, (178, 84, 62), 14, (214, 186, 160))
        case "stone":
            return _masonry(16, 8, (152, 168, 188), 9, (120, 132, 150))
        case "cream":
            return _roughen(Image.new("RGB", (CANVAS, CANVAS), (244, 222, 170)), 8)
        case "rose":
            return _roughen(Image.new("RGB", (CANVAS, CANVAS), (232, 150, 138)), 8)
        case "tiles":
            return _scales((206, 100, 62), 14)
        case "slate":
            return _scales((92, 104, 130), 10)
        case "pavement":
            return _masonry(16, 4, (212, 200, 186), 6, (176, 164, 152))
        case "road":
            return _masonry(8, 4, (128, 124, 134), 9, (98, 94, 106))
        case "hill":
            return _roughen(_blend((150, 190, 196), (176, 204, 170), "down"), 5)
        case "tree":
            greens = ((70, 130, 62), (96, 156, 70), (126, 180, 84), (56, 112, 60))
            return _dabs((74, 128, 64), greens, 9000, 7)
        case "flowers":
            blooms = ((236, 70, 96), (255, 150, 170), (250, 214, 90), (70, 140, 70), (90, 160, 80))
            return _dabs((66, 128, 66), blooms, 14000, 5)
    return _sky()


SHADOW = (40, 30, 60)


def _paint_plain(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _texture(part.label))


def _paint_cloud(canvas: Canvas, part: Part) -> None:
    box, _ = _mask(part)
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    _outline(ImageDraw.Draw(mask), _inset(part, 2), SHARPNESS, 235, part.box)
    mask = mask.resize((mask.width // 4, mask.height // 4)).filter(ImageFilter.BoxBlur(2))
    mask = mask.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC)
    canvas.image.paste(_blend((255, 255, 255), (240, 222, 226), "down").resize(mask.size), box, mask)


def _paint_wall(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _texture(part.label))
    canvas.shade(part, SHADOW, _ramp("right", 70))
    canvas.shade(part, SHADOW, _ramp("down", 40))


def _paint_roof(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _texture(part.label))
    canvas.shade(part, (255, 236, 200), _ramp("up", 70))
    canvas.shade(part, SHADOW, _ramp("right", 70))


def _paint_street(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.fill(part, _texture(part.label))
    canvas.rect(x0, y0, x1, y0 + 1.5, (*SHADOW, 60))
    if part.label == "road":
        canvas.rect(x0, y0 - 1, x1, y0 + 0.5, (226, 218, 206))


def _paint_tree(canvas: Canvas, part: Part) -> None:
    canvas.fill(part, _texture("tree"))
    canvas.shade(part, (255, 250, 170), _ramp("up", 90))
    canvas.shade(part, (20, 40, 60), _ramp("ball", 170))


def _paint_trunk(canvas: Canvas, part: Part) -> None:
    x0, _, x1, y1 = part.box
    canvas.rect(x0 - 4, y1 - 1, x1 + 9, y1 + 1, (*SHADOW, 70))
    canvas.fill(part, (116, 84, 62))
    canvas.rect(x1 - 1, part.box[1], x1, y1, (*SHADOW, 90))


def _paint_trim(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rect(x0 + 1, y1, x1 - 1, y1 + 1, (*SHADOW, 80))
    canvas.rect(x0 + 1, y1, x1 - 1, y1 + 2, (*SHADOW, 50))
    canvas.fill(part, (246, 240, 226))
    canvas.rect(x0, y1 - 0.5, x1, y1, (190, 180, 172))


def _paint_window(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    middle = (x0 + x1) / 2
    canvas.fill(part, (250, 246, 236))
    glass = _inset(part, 1)
    lit = part.label == "lit"
    canvas.fill(glass, (255, 196, 92) if lit else (58, 84, 122))
    canvas.shade(glass, (255, 244, 190) if lit else (196, 226, 244), _ramp("up", 200))
    canvas.rect(x0 + 1, y0 + 1, x1 - 1, y0 + 2, (*SHADOW, 70))
    canvas.rect(x0 + 1, y0 + 1, x0 + 1.75, y1 - 1, (*SHADOW, 90))
    canvas.rect(middle - 0.4, y0, middle + 0.4, y1, (250, 246, 236))
    canvas.rect(x0, y0 + (y1 - y0) * 0.42, x1, y0 + (y1 - y0) * 0.42 + 0.75, (250, 246, 236))


def _paint_shop(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.fill(part, (52, 92, 88))
    pane = replace(part, box=(x0 + 1, y0 + 1, x1 - 1, y1 - 4))
    canvas.fill(pane, (84, 70, 84))
    canvas.shade(pane, (255, 214, 130), _ramp("down", 230))
    canvas.rect(x0 + 1, y1 - 4, x1 - 1, y1 - 3.25, (120, 160, 150))
    canvas.rect((x0 + x1) / 2 - 0.4, y0, (x0 + x1) / 2 + 0.4, y1 - 4, (52, 92, 88))


def _paint_awning(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rect(x0, y1, x1, y1 + 2.5, (*SHADOW, 110))
    canvas.fill(part, (250, 240, 226))
    for x in range(x0 // 4 * 4, x1, 4):
        canvas.rect(max(x, x0), y0, min(x + 2, x1), y1, (206, 62, 70))
    canvas.shade(part, SHADOW, _ramp("down", 70))
    canvas.rect(x0, y1 - 1.5, x1, y1 - 1.25, (*SHADOW, 90))


def _paint_shutter(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rect(x1, y0 + 0.5, x1 + 0.75, y1 + 0.75, (*SHADOW, 70))
    canvas.fill(part, (98, 148, 124))
    for y in range(y0 // 2 * 2 + 2, y1 - 1, 2):
        canvas.rect(x0 + 0.5, y, x1 - 0.5, y + 0.75, (66, 110, 94))


def _paint_door(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.fill(part, (246, 240, 226))
    leaf = replace(part, box=(x0 + 1, y0 + 1, x1 - 1, y1))
    canvas.fill(leaf, (38, 92, 108))
    canvas.shade(leaf, SHADOW, _ramp("right", 60))
    middle, light = (x0 + x1) / 2, y0 + 4
    canvas.rect(x0 + 2, light - 2, x1 - 2, light, (255, 214, 130))
    canvas.rect(x0 + 1, light + 0.5, x1 - 1, light + 1.25, (246, 240, 226))
    for left in (x0 + 1.75, middle + 0.5):
        for top in (light + 2, light + (y1 - light) * 0.6):
            bottom = top + (y1 - light) * 0.3
            canvas.rect(left, top, left + 2, bottom, (24, 64, 80))
            canvas.rect(left + 0.25, top + 0.5, left + 2, bottom, (70, 130, 144))
    canvas.rect(middle + 0.2, (y0 + y1) / 2 + 2, middle + 1, (y0 + y1) / 2 + 2.8, (250, 210, 110))


def _paint_flowers(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rect(x0 + 0.5, y1, x1, y1 + 1, (*SHADOW, 80))
    canvas.fill(part, _texture("flowers"))
    canvas.rect(x0, y1 - 1.5, x1, y1, (150, 92, 66))


def _paint_balcony(canvas: Canvas, part: Part) -> None:
    x0, y0, x1, y1 = part.box
    canvas.rect(x0, y0, x1, y1, (*SHADOW, 50))
    canvas.rect(x0 + 1, y1, x1 - 1, y1 + 2.5, (*SHADOW, 90))
    for x in range(x0 // 2 * 2 + 2, x1, 2):
        canvas.rect(x - 0.5, y0, x + 0.25, y1, (44, 44, 58))
    canvas.rect(x0, y0, x1, y0 + 1, (44, 44, 58))
    canvas.rect(x0 - 0.5, y1 - 1.5, x1 + 0.5, y1, (240, 232, 218))


def _paint_lamp(canvas: Canvas, part: Part) -> None:
    if part.shape == "rect":
        return canvas.fill(part, (48, 52, 62))
    canvas.fill(part, (48, 52, 62))
    canvas.fill(_inset(part, 1), (255, 232, 160))
    x0, y0, x1, y1 = part.box
    halo = replace(part, box=(x0 - 6, y0 - 6, x1 + 6, y1 + 6))
    canvas.shade(halo, (255, 224, 150), Image.radial_gradient("L").point(lambda v: max(0, 130 - v)))


PAINTERS: dict[str, Callable[[Canvas, Part], None]] = {
    **dict.fromkeys(WALLS, _paint_wall),
    **dict.fromkeys(("tiles", "slate"), _paint_roof),
    **dict.fromkeys(("window", "lit"), _paint_window),
    **dict.fromkeys(("pavement", "road"), _paint_street),
    "sky": _paint_plain,
    "hill": _paint_plain,
    "cloud": _paint_cloud,
    "tree": _paint_tree,
    "trunk": _paint_trunk,
    "trim": _paint_trim,
    "shop": _paint_shop,
    "awning": _paint_awning,
    "shutter": _paint_shutter,
    "door": _paint_door,
    "flowers": _paint_flowers,
    "balcony": _paint_balcony,
    "lamp": _paint_lamp,
}


def draw_photo(parts: list[Part], size: int) -> Image.Image:
    image = Image.new("RGB", (CANVAS, CANVAS))
    canvas = Canvas(image, ImageDraw.Draw(image, "RGBA"))
    for part in parts:
        PAINTERS[part.label](canvas, part)
    return image.resize((size, size), Image.Resampling.BOX)


def draw_pair(seed: int, size: int = 128) -> tuple[Image.Image, Image.Image]:
    """A plan and its photo, both RGB and size x size; a seed always gives the same bytes."""
    parts = town(Random(seed))
    return draw_plan(parts, size), draw_photo(parts, size)


def write_pairs(folder: Path, count: int, *, seed: int, size: int = 128) -> None:
    """Write `count` pairs as folder/0000.png and on, the plan left and the photo right."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pair = Image.new("RGB", (2 * size, size))
        for column, picture in enumerate(draw_pair(seed * 1_000_003 + index, size)):
            pair.paste(picture, (column * size, 0))
        pair.save(folder / f"{index:04d}.png")
