"""Image files of every kind, damaged at random in every way; and all that reads them."""

import io
import random
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
import torch
from drawn import draw_picture
from PIL import Image
from pixel_files import png, png16
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.run_checks import run_checks
from imtrans.data.encoding import Direct
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import encode
from imtrans.data.pixels.formats.header import header
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.recipe.schema import DataTable
from imtrans.translation.translator import Translator

SPECS = (
    PixelSpec(3, "uint8", "white"),
    PixelSpec(None, "uint8", "keep"),
    PixelSpec(1, "uint16"),
    PixelSpec(None, "float32"),
)
HEADER = "header of"  # its errors do not name the file; who asks for it does
CHECKED = 250  # files that are checked as one data set


def whole_files() -> dict[str, bytes]:
    """Name with suffix -> an image as programs write it."""
    picture, found = draw_picture(1, (40, 28)), dict[str, bytes]()
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = Image.fromarray(np.zeros((28, 40), np.uint16)) if mode == "I;16" else picture
        found[f"{mode}.png"] = _saved(image if mode == "I;16" else image.convert(mode), "PNG")
    for mode in ("L", "RGB", "CMYK"):
        found[f"{mode}.jpg"] = _saved(picture.convert(mode), "JPEG")
    found["progressive.jpg"] = _saved(picture, "JPEG", progressive=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    found["turned.jpg"] = _saved(picture, "JPEG", exif=exif)
    found["lossy.webp"] = _saved(picture, "WEBP")
    found["lossless.webp"] = _saved(picture.convert("RGBA"), "WEBP", lossless=True)
    found["RGB.bmp"] = _saved(picture, "BMP")
    for packing in ("raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        found[f"{packing}.tif"] = _saved(picture, "TIFF", compression=packing)
    draw = np.random.default_rng(0)
    found["grey.png"] = png16(draw.integers(0, 65536, (8, 9, 1)), 0)
    found["colour16.png"] = png16(draw.integers(0, 65536, (8, 9, 3)), 2)
    for dtype in ("uint8", "uint16", "float32"):
        values = (draw.random((5, 24, 16)) * 200).astype(dtype)
        for name, options in (("tiles", {"tile": (16, 16)}), ("pages", {})):
            file = io.BytesIO()
            tifffile.imwrite(file, values, photometric="minisblack", **options)
            found[f"{name} {dtype}.tif"] = file.getvalue()
        file = io.BytesIO()
        np.save(file, values.transpose(1, 2, 0))
        found[f"{dtype}.npy"] = file.getvalue()
    return found


def bombs(jpeg: bytes) -> dict[str, bytes]:
    """Small files that say they are large, as far as a default lets them, and beyond."""
    at = jpeg.find(b"\xff\xc0") + 5
    found = {}
    for side in (5000, 13000, 65535):
        found[f"{side}.jpg"] = jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4 :]
    for side in (5000, 16000, 2**31 - 1):
        found[f"{side}.png"] = png(side, side, 8, 0, bytes(1000))
    found["5000 black.png"] = png(5000, 5000, 8, 0, bytes(5001 * 5000))
    found["16000 black.png"] = png(16000, 11000, 8, 0, bytes(16001 * 11000))
    return found


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def damaged(content: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """A file with a few things wrong: bits, numbers, parts missing, doubled, or of another file."""
    found = bytearray(content)
    for _ in range(draw.choice((0, 1, 1, 2, 4, 8))):
        if len(found) < 16:
            break
        # Most of a file are pixels; what can go wrong is at its ends.
        end = draw.choice((64, 300, len(found)))
        at = draw.choice((draw.randrange(min(end, len(found))), -1 - draw.randrange(end // 2)))
        at = max(min(at % len(found), len(found) - 9), 0)
        act = draw.randrange(6)
        if act == 0:
            found[at] ^= 1 << draw.randrange(8)
        elif act == 1:
            found[at : at + 4] = struct.pack(
                draw.choice("<>") + "I", draw.choice((0, 1, 2**16, 2**31 - 1, 2**32 - 1))
            )
        elif act == 2:
            del found[at:]
        elif act == 3:
            del found[at : at + draw.randrange(1, 40)]
        elif act == 4:
            found[at:at] = found[at : at + draw.randrange(1, 200)]
        else:
            other = draw.choice(others)
            found[at:] = other[at:]
    return bytes(found)


class Mirror(nn.Module):
    """A network as small as can be: its memory is that of an image."""

    stride = 4

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        return source.flip(-1)


@dataclass
class Fuzz:
    """What became of damaged files: counts, and what should not have happened."""

    folder: Path
    bombs: bool = True
    read: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds of a processor for one file
    slow: str = ""  # which it was
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        device = torch.device("cpu")
        data = DataTable(root="x", source={"alpha": "white"}, target={"alpha": "white"})
        self.translator = Translator(Mirror(), Direct(data), device=device)
        self.data = data.model_copy(update={"load_size": 32, "crop_size": 32})
        self._set: list[Path] = []

    def run(self, count: int, seed: int) -> None:
        """Read `count` damaged files in every way; the same ones for the same seed."""
        draw, files = random.Random(seed), whole_files()
        if self.bombs:
            files |= bombs(files["L.jpg"])
        others = list(files.values())
        for number in range(count):
            name = draw.choice(list(files))
            path = self.folder / f"{seed}-{number}{Path(name).suffix}"
            path.write_bytes(damaged(files[name], draw, others))
            for what, read in self._ways(path):
                self._try(f"{what} {name} (seed {seed}, file {number})", path, read)
            self._set.append(path)
            if len(self._set) == CHECKED or number == count - 1:
                self._check(f"data check to file {number} (seed {seed})")

    def _ways(self, path: Path) -> Iterator[tuple[str, object]]:
        picture = Picture(str(path))
        yield HEADER, lambda: header(picture)
        for spec in SPECS:
            yield f"read {spec.dtype}", lambda spec=spec: decode(picture, spec)
        yield "translate", lambda: self._translate(picture)

    def _translate(self, picture: Picture) -> None:
        encode(self.translator.translate(picture), self.folder / "result.png", "uint8")

    def _check(self, what: str) -> None:
        pairs = [
            Pair(str(n), (Picture(str(path)),), (Picture(str(path)),))
            for n, path in enumerate(self._set)
        ]
        self._try(what, None, lambda: run_checks(pairs, [], self.data, workers=0), CHECKED)
        for path in self._set:
            path.unlink()
        self._set.clear()

    def _try(self, what: str, path: Path | None, read: object, files: int = 1) -> None:
        begun = time.process_time()
        try:
            read()  # type: ignore[operator]
            self.read += 1
        except ImtransError as error:
            self.refused += 1
            named = path is None or what.startswith(HEADER) or str(path) in str(error)
            if "\n" in str(error) or not named:
                self.wrong.append(f"{what}: {error!r}")
        except Exception as error:
            self.wrong.append(f"{what}: {type(error).__name__}: {error}")
        seconds = (time.process_time() - begun) / files
        if seconds > self.slowest:
            self.slowest, self.slow = seconds, what
