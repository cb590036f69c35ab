"""The palette of a trained translator: the colours to draw its sources in.

- labels: the colours of the recipe's classes, else the few that its training sources have;
- drawing: black on white, or white on black where the sources are mostly dark;
- photograph: a set of plain colours (PLAIN), or greys for grey pictures, on white.

Without classes, the files to train on say which, where they are still on this machine.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from random import Random
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor

from imtrans.api.addresses import is_address
from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Derivation
from imtrans.api.pictures import Picture
from imtrans.board.names import RGB, names_of
from imtrans.data.encoding import Derived, Encoding
from imtrans.data.few_colours import DRAWN, few_colours, ink
from imtrans.data.label_maps import LabelMap
from imtrans.data.pairs import spread
from imtrans.data.palette import dominant_colours
from imtrans.data.pixels.decode import decode
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import Header
from imtrans.task import Task

LOOKED_AT = 24  # pictures
ENOUGH = 1024  # px of a side of each
WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)
PLAIN: tuple[RGB, ...] = (
    *(BLACK, (128, 128, 128), WHITE, (200, 40, 40), (240, 130, 30), (250, 210, 50)),
    *((60, 150, 60), (130, 200, 230), (40, 90, 190), (120, 70, 160), (230, 160, 180)),
    *((120, 80, 50), (230, 200, 165)),
)
GREYS: tuple[RGB, ...] = tuple((level,) * 3 for level in (0, 51, 102, 153, 204, 255))

Kind = Literal["labels", "drawing", "photograph"]


@dataclass(frozen=True)
class Swatch:
    """One colour. `stored`: the values of the source's channels that it stands for, where they are
    not the colour itself: the numbers of classes."""

    name: str
    colour: str  # #rrggbb
    stored: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Palette:
    """What to draw in, and on which colour to begin."""

    kind: Kind
    swatches: tuple[Swatch, ...]
    background: str  # #rrggbb

    def board(self) -> dict[str, Any]:
        """As `createBoard` of board.js takes it, and JSON."""
        palette = [{"name": each.name, "colour": each.colour} for each in self.swatches]
        return {"palette": palette, "background": self.background}

    def stored(self) -> dict[str, tuple[int, ...]]:
        """By colour, what to store for it; empty where that is the colour."""
        return {each.colour: each.stored for each in self.swatches if each.stored is not None}

    def dumps(self) -> dict[str, Any]:
        return asdict(self)


def palette_of(header: Header) -> Palette:
    """The palette of a translator, by the header of its file. Raises ImtransError where the recipe
    inside needs a plugin that is missing."""
    task = Task(header.recipe(catalog(), translator_only=True), catalog())
    encoding = task.encoding_of(header.part)
    if isinstance(encoding, Derived):
        return _of_derived(encoding.derivation)
    pictures = _pictures(task, header.part)
    labels: LabelMap | None = encoding.source.labels  # type: ignore[attr-defined]
    if labels is not None:
        return _of_classes(labels, pictures)
    return _of_pictures(pictures, encoding.source_channels)


def _of_derived(derivation: Derivation) -> Palette:
    """What a derivation makes of a photograph, a ball before a sky, is a drawing or is not."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    sky, ball = 0.6 + 0.2 * y, 0.3 + 0.1 * x
    photo = torch.where(x**2 + y**2 < 0.3, ball, sky).expand(3, -1, -1).contiguous()
    with suppress(Exception):  # whatever a plugin's derivation raises: then it is for photographs
        source = derivation.derive(photo, Random(0))
        if len(source) == 1 and float(ink((source + 1) * 127.5)) > DRAWN:
            return drawing()
    return _photograph(3)


def drawing(background: RGB = WHITE) -> Palette:
    """Black and white."""
    return _palette("drawing", [BLACK, WHITE], background)


def _photograph(channels: int) -> Palette:
    return _palette("photograph", GREYS if channels == 1 else PLAIN, WHITE)


def _palette(kind: Kind, colours: Sequence[RGB], background: RGB) -> Palette:
    swatches = zip(names_of(colours), map(_hex, colours), strict=True)
    return Palette(kind, tuple(Swatch(*each) for each in swatches), _hex(background))


def _of_classes(labels: LabelMap, pictures: Sequence[Tensor]) -> Palette:
    """All classes; numbers, which would all be nearly black, in colours of their own."""
    stored = [tuple(int(value) for value in each) for each in labels.colours]
    shown = [_rgb(each) for each in labels.shown_colours.tolist()]
    usual = _most_frequent(labels, pictures)
    if stored == shown:
        return _palette("labels", shown, shown[usual])
    swatches = (
        Swatch(f"{', '.join(map(str, values))} ({name})", _hex(colour), values)
        for values, name, colour in zip(stored, names_of(shown), shown, strict=True)
    )
    return Palette("labels", tuple(swatches), _hex(shown[usual]))


def _most_frequent(labels: LabelMap, pictures: Sequence[Tensor]) -> int:
    """The number of the class with most pixels; the first where there is nothing to look at."""
    total = torch.zeros(labels.count)
    for pixels in pictures:
        if len(pixels) == labels.stored_channels + (labels.instances == "channel"):
            total += (labels.encode(pixels)[: labels.count] > 0).sum(dim=(1, 2))
    return int(total.argmax())


def _of_pictures(pictures: Sequence[Tensor], channels: int) -> Palette:
    """What 8-bit sources without classes look like."""
    pictures = [_as_rgb(each) for each in pictures if each.dtype == torch.uint8]
    if not pictures:
        return _photograph(channels)
    colours = [_rgb(each) for each in few_colours(pictures) or dominant_colours(pictures)]
    if colours:
        pixels = torch.cat([each.flatten(1) for each in pictures], dim=1)
        counts = {
            each: int((pixels == torch.tensor(each)[:, None]).all(0).sum()) for each in colours
        }
        colours.sort(key=lambda each: -counts[each])
        return _palette("labels", colours, colours[0])
    if median(float(ink(each)) for each in pictures) > DRAWN:
        dark = median(float(each.float().mean()) for each in pictures) < 128
        return drawing(BLACK if dark else WHITE)
    return _photograph(channels)


def _pictures(task: Task, translator: str) -> list[Tensor]:
    """Some sources to train on as they are stored; none where they are not here any more."""
    data = task.recipe.data
    if is_address(data.root):
        return []  # who exports asks no other machine
    forward = task.directions[translator] == "forward"
    found: list[Tensor] = []
    with suppress(Exception):  # no folder, no plugin that reads it, or another set is there now
        reader = task.sampler.reader
        expected = task.encoding_of(translator).expected
        for at in spread(len(task.pairs), LOOKED_AT):
            sources, targets = reader.sides(task.pairs[at])
            side: Sequence[Picture] = sources if forward else targets
            with suppress(ImtransError):
                found.append(_thinned(decode(side[0], expected)))
    return found


def _thinned(pixels: Tensor) -> Tensor:
    """Some rows and columns of a large picture: its colours are as they were."""
    apart = max(1, max(pixels.shape[-2:]) // ENOUGH)
    return pixels[:, ::apart, ::apart].contiguous()


def _as_rgb(pixels: Tensor) -> Tensor:
    return pixels.expand(3, -1, -1) if len(pixels) == 1 else pixels[:3]


def _rgb(values: Sequence[int]) -> RGB:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _hex(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def is_drawable(encoding: Encoding) -> bool:
    """Whether a browser's picture, 8-bit grey or RGB, can be such a source."""
    if isinstance(encoding, Derived):
        return True
    side = encoding.source  # type: ignore[attr-defined]
    if side.labels is not None:
        return bool(side.labels.instances is None and side.labels.stored_channels in (1, 3))
    return side.table.dtype == "uint8" and side.channels in (1, 3)
