"""What the page has to know of its network: model.json."""

import json
from typing import Any

import imtrans
from imtrans.board.palette import Palette, Swatch, palette_of
from imtrans.data.encoding import Derived
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import Header
from imtrans.translation.export.graph import Graph
from imtrans.translation.export.web import drawable
from imtrans.translation.padding import padded_size
from imtrans.translation.translator import Translator

USUAL, LARGEST = (256, 256), 512  # px, where training says nothing, and where nothing bounds it

JSON = dict[str, Any]


def about(header: Header, loaded: Translator, graph: Graph, facts: dict[str, str]) -> JSON:
    """All of model.json but what concerns its files."""
    recipe = header.recipe(catalog(), translator_only=True)
    palette = palette_of(header)
    source = drawable.source(graph.source, loaded.encoding, palette)
    if "hole" in source:
        hole = Swatch("hole", drawable.HOLE)
        palette = Palette(palette.kind, (hole, *palette.swatches), palette.background)
    stride = int(facts["stride"])
    width, height = _board_size(loaded, stride)
    # Training may have squeezed its pictures: the board shows them as they are.
    across, down = loaded.scale.factors or (1, 1) if loaded.scale else (1, 1)
    shown = [round(width / across), round(height / down)]
    board = {"width": width, "height": height, "shown": shown} | palette.board()
    return {
        "title": recipe.title or "Translate a picture",
        "takes": _takes(palette, loaded),
        "source": source,
        "output": drawable.output(graph.target, loaded.encoding),
        "noise": json.loads(facts["noise"])["channels"] if "noise" in facts else None,
        "stride": stride,
        "smallest": int(facts["smallest"]),
        "scale": json.loads(facts["scale"]) if "scale" in facts else None,
        "kind": palette.kind,
        "board": board,
        "about": {
            "imtrans": imtrans.__version__,
            "translator": header.part,
            "step": header.step,
            "scale": facts.get("scale_in_words"),
            "precision": facts["precision"],
            "statistics": facts["statistics"],
            "parity": json.loads(facts["parity"]),
        },
    }


def _takes(palette: Palette, loaded: Translator) -> str:
    """What goes in, in words."""
    encoding = loaded.encoding
    if isinstance(encoding, Derived) and encoding.takes_mask:
        return "a photograph with a hole"
    if isinstance(encoding, Derived) and palette.kind == "photograph":
        return "a photograph"
    return {
        "labels": "a label map",
        "drawing": "a drawing",
        "photograph": "a picture",
    }[palette.kind]


def _board_size(loaded: Translator, stride: int) -> tuple[int, int]:
    """Width and height of an empty board (px): as training saw its sources."""
    scale = loaded.scale
    width, height = USUAL
    if scale is not None:
        width, height = scale.of(*(scale.smallest or USUAL))
        if scale.factors:  # of files of any size
            share = min(LARGEST / max(width, height), 1)
            width, height = round(width * share), round(height * share)
    return _fitting(width, stride), _fitting(height, stride)


def _fitting(px: int, stride: int) -> int:
    """The nearest side that the network takes."""
    return max(round(px / stride) * stride, padded_size(1, stride))
