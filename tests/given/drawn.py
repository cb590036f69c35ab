"""Pictures and pairs that the tests draw themselves."""

from pathlib import Path

from PIL import Image, ImageDraw


def draw_picture(number: int, size: tuple[int, int]) -> Image.Image:
    """A picture that differs with its number, and has an orientation."""
    picture = Image.new("RGB", size, (number * 37 % 256, 120, 200))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((3, 3, 12 + number, 9), "red")
    pen.ellipse((20, 30, 40 + number, 60), "yellow")
    return picture


def write_pairs(folder: Path, count: int, size: tuple[int, int] = (80, 64)) -> None:
    """Side-by-side pairs: the right half is the left one inverted."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        left = draw_picture(number, size)
        pair = Image.new("RGB", (size[0] * 2, size[1]))
        pair.paste(left, (0, 0))
        pair.paste(left.point(lambda value: 255 - value), (size[0], 0))
        pair.save(folder / f"{number:03d}.png")
