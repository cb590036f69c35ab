"""The runs that a server is to serve, from what a person calls them."""

from collections.abc import Sequence
from pathlib import Path

from imtrans.board.palette import is_drawable, palette_of
from imtrans.recipe.catalog import catalog
from imtrans.recipe.naming import run_name
from imtrans.runs.header import read_header
from imtrans.runs.hub.pull import name_of
from imtrans.serving.drawing import Drawing
from imtrans.serving.served import Served
from imtrans.translation.loading import load


def load_served(
    named: Sequence[tuple[str, str | Path]],
    *,
    best: bool = False,
    device: str | None = None,
    max_pixels: int | None = None,
) -> list[Served]:
    """Each run of (what it was called, where it is) with its translator, under a name of its own.
    Raises ImtransError."""
    found: list[Served] = []
    for called, place in named:
        translator = load(place, best=best, device=device, max_pixels=max_pixels)
        assert translator.file is not None  # it was loaded from one
        recipe = read_header(translator.file).recipe(catalog(), translator_only=True)
        name = _own_name(called, [each.name for each in found])
        found.append(Served(name, recipe, translator))
    return found


def drawing_for(runs: Sequence[Served]) -> Drawing | None:
    """What can be drawn: in the palette of the first run whose sources can be."""
    for run in runs:
        if run.file is not None and is_drawable(run.encoding):
            palette = palette_of(read_header(run.file))
            height, width = run.size
            return Drawing(palette, width, height, run.encoding.expected.max_pixels)
    return None


def _own_name(called: str, taken: Sequence[str]) -> str:
    """What a run is called on the page and by programs."""
    name = run_name(called) if called.endswith(".toml") else name_of(called)
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
