"""Pictures and files in tiles: a TIFF of any size from its file into another, row by row."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Given
from imtrans.data.pixels.encode import TIFF
from imtrans.data.pixels.formats.header import header
from imtrans.data.pixels.formats.stored import LARGE
from imtrans.data.pixels.rows import CannotWrite, Shape, encode_like, write_rows
from imtrans.data.pixels.windows import Windows, windows_of
from imtrans.translation.forms import in_form_of, picture_of, several
from imtrans.translation.network.memory import most_read
from imtrans.translation.tiles.tiles import InMemory, InWindows, Seen, Tiles
from imtrans.translation.translator import Remark, Translator

ROWS = 64  # of a result that are made at once
OnTile = Callable[[], None]


def _nothing() -> None: ...


class TiledTranslator:
    """A translator whose network sees a picture in tiles of `tile` px that overlap by `overlap`: an
    eighth of a tile, unless it is given. `imtrans.translation.tiles.tiles` says how.

    A TIFF that is translated pixel by pixel into another is never in memory as a whole. Any other
    picture is, as it is without tiles. Raises ImtransError for sizes that no tiles can have.

    >>> from pathlib import Path
    >>> import imtrans
    >>> from imtrans.translation.tiles.tiled import TiledTranslator
    >>> translator = TiledTranslator(imtrans.load("my-task", size="native"), tile=512, overlap=64)
    >>> translator.translate_file(Path("large.tif"), Path("translated.tif"))
    []
    """

    def __init__(self, translator: Translator, tile: int, overlap: int | None = None) -> None:
        self.translator, self.tiles = translator, Tiles(translator, tile, overlap)

    def with_seed(self, seed: int | None) -> "TiledTranslator":
        """The same with another seed, as `Translator.with_seed`."""
        return TiledTranslator(self.translator.with_seed(seed), self.tiles.tile, self.tiles.overlap)

    def __call__(self, image: Any) -> Any:
        """As `Translator.__call__`."""
        if not several(image):
            return in_form_of(image, self.translate(picture_of(image)))
        results = (self(one) for one in image)
        return results if isinstance(image, Iterator) else list(results)

    def translate(self, picture: Picture) -> Tensor:
        """The translation of a picture, (C, H, W), as stored pixels. Raises ImtransError."""
        with self._naming(picture):
            return self._result(self._given(picture), _nothing)

    def translate_file(
        self, path: Path, place: Path, on_tile: OnTile = _nothing, quality: int | None = None
    ) -> list[Remark]:
        """Translate a file into another, whose suffix is one that `FileFormat` gives; returns
        how it is unlike training. `on_tile` is called after each tile.

        A TIFF keeps its georeference and its resolution where the result has its size (see
        `tiff_tags`). Raises ImtransError, naming the file, when it cannot be read or does not fit
        into memory; CannotWrite when the result cannot be written. No half file is left.
        """
        picture = Picture(str(path))
        with self._naming(picture), windows_of(picture, self.translator.encoding.expected) as found:
            if found and self._goes_by_windows(found, place):
                return self._by_windows(found, place, on_tile)
            given = self._given(picture)
            result = self._result(given, on_tile)
        try:
            encode_like(path, result, place, self.translator.encoding.result_dtype, quality)
        except ImtransError as error:
            raise CannotWrite(str(error)) from error
        return list(self.translator.remarks(given))

    def tile_count(self, path: Path) -> int:
        """How many tiles a file is translated in. Raises ImtransError."""
        width, height = header(Picture(str(path))).size
        if self.translator.scale:
            width, height = self.translator.scale.of(width, height)
        return len(self.tiles.tiling((height, width)))

    def _goes_by_windows(self, windows: Windows, place: Path) -> bool:
        """Whether a TIFF is read and written in parts. Raises ImtransError where it is so large
        that it has to be, and cannot."""
        (height, width), scale = windows.size, self.translator.scale
        encoding = self.translator.encoding
        obstacles = {
            "its pixels do not become the network's one by one": not encoding.by_pixel,
            "it is resized to the scale of training. use --size native": scale is not None
            and scale.of(width, height) != (width, height),
            "only a TIFF is written in parts. use --output NAME.tif": place.suffix.lower()
            not in TIFF,
        }
        reason = next((text for text, is_there in obstacles.items() if is_there), None)
        if reason and width * height > encoding.expected.max_pixels:
            raise ImtransError(
                f"{width} x {height} px are too many to be in memory at once, and {reason}; or "
                "raise --max-pixels"
            )
        return reason is None

    def _by_windows(self, windows: Windows, place: Path, on_tile: OnTile) -> list[Remark]:
        encoding = self.translator.encoding
        seen = InWindows(windows, encoding)
        shape = Shape(*windows.size, encoding.result_channels, encoding.result_dtype)
        tags = windows.kept_tags(shape.channels, shape.dtype)
        results = self._results(self.tiles.outputs(seen, on_tile), seen)
        write_rows(results, place, shape, tags, packed=windows.packed)
        # Of what was seen its size alone matters here.
        source = torch.empty(1, 1, *seen.size, device="meta")
        given = Given(source, seen.size, composed_with=source, beyond=seen.beyond)
        return list(self.translator.remarks(given))

    def _given(self, picture: Picture) -> Given:
        try:
            return self.translator.encoding.given(picture, _check_room, self.translator.scale)
        except MemoryError as error:
            raise ImtransError("not enough memory to read it") from error

    def _result(self, given: Given, on_tile: OnTile) -> Tensor:
        """Stored pixels (C, H, W) of a picture that is in memory."""
        encoding, device = self.translator.encoding, self.translator.device
        outputs = self.tiles.outputs(InMemory(given.source), on_tile)
        if given.source.shape[-2:] == given.size:
            return _joined(self._results(outputs, InMemory(given.composed_with)), given.size[0])
        output = _joined(outputs, given.source.shape[-2])
        return encoding.result(
            encoding.resized(output, *given.size), given.composed_with.to(device)
        )

    def _results(self, outputs: Iterator[Tensor], seen: Seen) -> Iterator[Tensor]:
        """Stored pixels (C, h, W) of outputs, some rows at a time."""
        encoding, top = self.translator.encoding, 0
        for output in outputs:
            for rows in output.split(ROWS, dim=-2):
                behind = rows
                if encoding.composes:
                    behind = seen.read(top, 0, rows.shape[-2], seen.size[1]).to(rows.device)
                yield encoding.result(rows, behind)
                top += rows.shape[-2]

    @contextmanager
    def _naming(self, picture: Picture) -> Iterator[None]:
        """What goes wrong within names the picture."""
        try:
            yield
        except CannotWrite:
            raise
        except (ImtransError, ValueError) as error:  # a derivation was not given what it needs
            text = str(error)
            raise ImtransError(text if str(picture) in text else f"{picture}: {text}") from error


def _check_room(width: int, height: int) -> None:
    """Refuse what cannot be in memory, although the network sees only tiles of it."""
    most = most_read() if width * height > LARGE else None
    if most is not None and width * height > most:
        raise ImtransError(
            f"{width} x {height} px do not fit into memory. save it as TIFF and use --size native: "
            "then it is read in parts"
        )


def _joined(parts: Iterator[Tensor], height: int) -> Tensor:
    """Rows that follow each other as one image; each is copied before the next is made."""
    whole, top = torch.empty(0), 0
    for part in parts:
        if not top:
            whole = part.new_empty(*part.shape[:-2], height, part.shape[-1])
        whole[..., top : top + part.shape[-2], :] = part
        top += part.shape[-2]
    return whole
