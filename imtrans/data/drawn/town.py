"""A town: a list of labelled parts in drawing order, random from a seed.

The plan and the photo are both drawn from this list, so they always match.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

Box = tuple[int, int, int, int]

WALLS = ("brick", "cream", "rose", "stone")

# A town is laid out on UNITS x UNITS.
UNITS = 128
GROUND, KERB = 112, 120


@dataclass(frozen=True)
class TownPart:
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
    crown: str  # above the eaves: "hip", "gable", "stepped" or "flat"
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


def town(rng: Random) -> Iterator[TownPart]:
    """Sky, hills and street, then one to three buildings, then trees and a lamp before them."""
    yield TownPart("sky", (0, 0, UNITS, UNITS))
    for _ in range(rng.randint(1, 3)):
        x, y, width = rng.randint(-12, 104), rng.randint(3, 40), rng.randint(24, 44)
        yield TownPart("cloud", (x, y, x + width, y + width * 2 // 5), "puff")
    for x in (rng.randint(-60, -10), rng.randint(30, 80)):
        yield TownPart("hill", (x, rng.randint(72, 92), x + 110, 160), "oval")
    yield TownPart("pavement", (0, GROUND, UNITS, KERB))
    yield TownPart("road", (0, KERB, UNITS, UNITS))
    corners = [0, UNITS]
    for building in _buildings(rng):
        yield from _building_parts(building, rng)
        corners += (building.left, building.right)
    for x in rng.sample(corners, rng.randint(1, 3)):
        yield from _tree(x, rng.randint(114, 118), rng)
    if rng.random() < 0.6:
        x = rng.randint(10, 118)
        yield TownPart("lamp", (x, 92, x + 2, 119))
        yield TownPart("lamp", (x - 2, 86, x + 4, 93), "oval")


def _buildings(rng: Random) -> Iterator[Building]:
    count = rng.choice((1, 2, 2, 3, 3))
    street = rng.randint(64, 88) if count == 1 else rng.randint(108, 124)
    left = rng.randint(4, UNITS - 4 - street) if count == 1 else (UNITS - street) // 2
    shares = [rng.uniform(1.0, 1.3) for _ in range(count)]
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
            shutters=rng.random() < 0.45 and width >= 15 * bays,
            shop=rng.random() < 0.45,
            balcony=rng.randrange(-1, bays),
        )
        left += plot


def _building_parts(b: Building, rng: Random) -> Iterator[TownPart]:
    yield from _crown(b, b.right - b.left, (b.left + b.right) // 2)
    yield TownPart(b.wall, (b.left, b.eaves, b.right, GROUND))
    yield TownPart("trim", (b.left - 1, b.eaves - 1, b.right + 1, b.eaves + 2))
    yield TownPart("trim", (b.left, GROUND - b.rise - 1, b.right, GROUND - b.rise + 1))
    door = rng.randrange(b.bays)
    for bay in range(b.bays):
        if bay == door or b.shop:
            yield from _entrance(b, b.centre(bay), GROUND - b.rise + 5, bay == door)
        for storey in range(0 if bay != door and not b.shop else 1, b.storeys):
            floor = GROUND - 2 - storey * b.rise
            yield from _window(b, b.centre(bay), floor, storey > 0 and bay == b.balcony, rng)


def _crown(b: Building, width: int, middle: int) -> Iterator[TownPart]:
    eaves = b.eaves
    if b.crown == "hip":
        for x in (b.left + 5, b.right - 10):
            yield TownPart("brick", (x, eaves - 17, x + 5, eaves - 4))
            yield TownPart("trim", (x - 1, eaves - 18, x + 6, eaves - 16))
        yield TownPart(b.roof, (b.left - 1, eaves - 14, b.right + 1, eaves), "hip")
        for x in range(middle - (b.bays - 2) * 8, middle + (b.bays - 2) * 8 + 1, 16):
            yield TownPart("window", (x - 4, eaves - 10, x + 4, eaves - 1), "arch")
    elif b.crown == "gable":
        peak = eaves - width // 2
        yield TownPart(b.roof, (b.left - 2, peak - 2, b.right + 2, eaves), "gable")
        yield TownPart(b.wall, (b.left + 3, peak + 4, b.right - 3, eaves), "gable")
        yield TownPart("window", (middle - 4, eaves - 9, middle + 4, eaves - 1), "oval")
    else:
        # Each step is an inset from the sides and a height; a parapet is a single low step.
        steps = [(width * n // 8, 6 * n) for n in (3, 2, 1)] if b.crown == "stepped" else [(0, 6)]
        for inset, high in steps:
            left, top, right = b.left + inset, eaves - high, b.right - inset
            yield TownPart(b.wall, (left, top, right, eaves))
            yield TownPart("trim", (left - 1, top - 1, right + 1, top + 1))
        if b.crown == "stepped":
            yield TownPart("window", (middle - 4, eaves - 12, middle + 4, eaves - 2), "arch")


def _entrance(b: Building, x: int, top: int, door: bool) -> Iterator[TownPart]:
    if door:
        yield TownPart("door", (x - 5, top, x + 5, GROUND), b.opening)
        yield TownPart("trim", (x - 6, GROUND - 1, x + 6, GROUND + 2))
    else:
        half = (b.right - b.left) // b.bays // 2 - 1
        yield TownPart("shop", (x - half, top, x + half, GROUND))
        yield TownPart("awning", (x - half, top - 2, x + half, top + 5))


def _window(b: Building, x: int, floor: int, balcony: bool, rng: Random) -> Iterator[TownPart]:
    top, sill = floor - b.rise + 6, floor - 1 if balcony else floor - 4
    yield TownPart("lit" if rng.random() < 0.2 else "window", (x - 4, top, x + 4, sill), b.opening)
    if balcony:
        yield TownPart("balcony", (x - 7, floor - 7, x + 7, floor))
        return
    if b.shutters:
        yield TownPart("shutter", (x - 7, top, x - 4, sill))
        yield TownPart("shutter", (x + 4, top, x + 7, sill))
    if rng.random() < 0.3:
        yield TownPart("flowers", (x - 5, sill - 2, x + 5, sill + 2))
    else:
        yield TownPart("trim", (x - 5, sill, x + 5, sill + 1))


def _tree(x: int, foot: int, rng: Random) -> Iterator[TownPart]:
    half, top = rng.randint(7, 11), foot - rng.randint(28, 44)
    yield TownPart("trunk", (x - 1, foot - 12, x + 2, foot))
    if rng.random() < 0.5:
        yield TownPart("tree", (x - half, top, x + half, foot - 6), "puff")
    else:
        yield TownPart("tree", (x - half // 2, top, x + half // 2 + 1, foot - 3), "oval")
