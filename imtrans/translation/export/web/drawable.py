"""What a page can draw for a translator, and show of it: values of a browser's pictures, 0 to 255
in red, green, blue and opacity, and those of the graph."""

from typing import Any

import torch

from imtrans.api.errors import ImtransError
from imtrans.board.palette import Palette, is_drawable
from imtrans.data.encoding import Derived, Direct, Encoding
from imtrans.translation.export.values import AsSeen, Colours, Form, Photographs, Range

HOLE = "#ff00ff"  # is drawn where a photograph has a hole
EIGHT_BITS = [0.0, 255.0]


def check(encoding: Encoding) -> None:
    """Raises ImtransError, of one line, for sources that no browser has, and outputs that it cannot
    show."""
    if not is_drawable(encoding):
        assert isinstance(encoding, Direct)
        table = encoding.source.table
        what = f"{table.channels} channels of {table.dtype}"
        what += " with instances" if table.instances is not None else ""
        raise ImtransError(
            f"the page draws 8-bit grey or RGB, and this recipe's sources have {what}; use "
            "--format onnx"
        )
    if encoding.result_channels not in (1, 3, 4):
        raise ImtransError(
            f"the page shows grey, RGB or RGBA, and this recipe's outputs have "
            f"{encoding.result_channels} channels; use --format onnx"
        )


def source(form: Form, encoding: Encoding, palette: Palette) -> dict[str, Any]:
    """How a picture becomes a source: `range` is what 0 ... 255 become."""
    if isinstance(form, Colours):
        stored = palette.stored()
        about: dict[str, Any] = {"channels": form.channels, "range": EIGHT_BITS}
        return about | ({"stored": stored} if stored else {})
    if isinstance(form, Photographs):
        hole = {"hole": HOLE} if form.channels == 4 else {}
        return {"channels": form.channels, "range": EIGHT_BITS} | hole
    if isinstance(form, AsSeen):
        enlarge = _enlarges(encoding)
        return {
            "channels": encoding.source_channels,
            "range": [-1.0, 1.0],
            "enlarge": enlarge,
        }
    return {"channels": encoding.source_channels, "range": EIGHT_BITS}


def output(form: Form, encoding: Encoding) -> dict[str, Any]:
    """How an output becomes a picture: `range` is what becomes 0 ... 255. Of classes that are
    numbers, `shown` has the colour of each."""
    channels = encoding.target_channels if isinstance(form, AsSeen) else encoding.result_channels
    about: dict[str, Any] = {"channels": channels, "range": EIGHT_BITS}
    if isinstance(form, Colours):
        stored, shown = form.labels.colours, form.labels.shown_colours
        about["classes"] = form.labels.count
        if form.labels.stored_channels == 1:
            about["shown"] = [
                [int(number), [int(value) for value in colour]]
                for (number,), colour in zip(stored.tolist(), shown.tolist(), strict=True)
            ]
        return about
    if isinstance(form, AsSeen):
        return about | {"range": [-1.0, 1.0]}
    if isinstance(form, Range) and encoding.result_dtype != "uint8":
        return about | {"range": [form.low, form.high]}
    return about


def _enlarges(encoding: Encoding) -> int:
    """How many times larger a source is than the picture that it is derived from. Raises
    ImtransError for a derivation that does more than that."""
    assert isinstance(encoding, Derived)
    grey = torch.tensor([0.2, 0.5, 0.8])[:, None, None].expand(3, 8, 12)
    try:
        seen = encoding.derivation.given(grey.contiguous())
        factor = seen.shape[-1] // 12
        of_size = tuple(seen.shape) == (3, 8 * factor, 12 * factor)
        if factor >= 1 and of_size and _alike(seen[:, 0, 0], grey[:, 0, 0]):
            return factor
    except Exception as error:  # whatever a plugin's derivation does
        raise ImtransError(_UNDERIVED) from error
    raise ImtransError(_UNDERIVED)


def _alike(seen: torch.Tensor, stored: torch.Tensor) -> bool:
    return torch.allclose(seen, stored * 2 - 1, atol=1e-3)  # an interpolation rounds


_UNDERIVED = (
    "the page cannot derive this recipe's sources from photographs (data.derive), and the network "
    "is no part of a graph that could; use --format onnx"
)
