"""Curves and pictures in small files."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from imtrans.host.files import write_whole

LIMIT = 300_000  # bytes of a file
SIZE = (900, 320)  # px of a chart
MARGIN = (70, 12, 12, 24)  # left, top, right, bottom
COLOURS = ("#1f5fbf", "#c8501e", "#2f8f4e", "#7a4fb0", "#8a6d1f", "#444444")

Points = Sequence[tuple[float, float]]


def save_small(image: Image.Image, path: Path) -> str:
    """Write a picture in at most `LIMIT` bytes: a PNG, or a JPEG of whatever quality and size that
    takes. Returns the file's name."""
    content = _encoded(image, "PNG", optimize=True)
    quality = 92
    while len(content) > LIMIT:
        path = path.with_suffix(".jpg")
        content = _encoded(image.convert("RGB"), "JPEG", quality=quality)
        if quality > 60:
            quality -= 8
        else:
            image = image.resize((image.width * 4 // 5, image.height * 4 // 5))
    write_whole(path, content)
    return path.name


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def curves(title: str, lines: Mapping[str, Points]) -> Image.Image:
    """A chart with a line for each name, x from the left to the right."""
    image = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(image)
    lines = {name: points for name, points in lines.items() if points}
    flat = [point for points in lines.values() for point in points]
    if not flat:
        pen.text((20, 20), f"{title}: nothing to show", fill="black")
        return image
    x, y = _span([p[0] for p in flat]), _span([p[1] for p in flat])
    _axes(pen, title, x, y)
    at = MARGIN[0] + 10
    for (name, points), colour in zip(lines.items(), COLOURS * 4, strict=False):
        places = [_placed(point, x, y) for point in points]
        if len(places) > 1:
            pen.line(places, fill=colour, width=2)
        for left, top in places if len(places) < 40 else ():
            pen.ellipse((left - 2, top - 2, left + 2, top + 2), fill=colour)
        pen.text((at, MARGIN[1] + 14), name, fill=colour)
        at += int(pen.textlength(name)) + 16
    return image


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _placed(
    point: tuple[float, float], x: tuple[float, float], y: tuple[float, float]
) -> tuple[float, float]:
    left, top, right, bottom = MARGIN
    across = (point[0] - x[0]) / (x[1] - x[0])
    up = (point[1] - y[0]) / (y[1] - y[0])
    width, height = SIZE[0] - left - right, SIZE[1] - top - bottom - 24
    return left + across * width, SIZE[1] - bottom - up * height


def _axes(
    pen: ImageDraw.ImageDraw, title: str, x: tuple[float, float], y: tuple[float, float]
) -> None:
    left, top, right, bottom = MARGIN
    pen.text((left, top - 4), title, fill="black")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = y[0] + share * (y[1] - y[0])
        height = _placed((x[0], value), x, y)[1]
        pen.line([(left, height), (SIZE[0] - right, height)], fill="#dddddd")
        pen.text((6, height - 6), f"{value:.4g}", fill="black")
        value = x[0] + share * (x[1] - x[0])
        across = _placed((value, y[0]), x, y)[0]
        pen.text((min(across, SIZE[0] - 50), SIZE[1] - bottom + 6), f"{value:.6g}", fill="black")
