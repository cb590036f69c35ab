"""Pictures, wherever their bytes come from, as the files that `imtrans translate` would write."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Given
from imtrans.data.pixels.encode import KEPT, TIFF
from imtrans.data.pixels.rows import encode_like
from imtrans.host.threads import Limit, Threads, usual_count
from imtrans.translation.pipeline import Passed, through
from imtrans.translation.translator import Remark, Translator

Numbered = tuple[int, Picture]


@dataclass(frozen=True)
class ResultFile:
    """The file of a picture's result: its `suffix`, as ".png", and its bytes; or, without
    `content`, the `error` that says why there is none. `remarks`: how the picture is unlike
    training."""

    picture: Picture
    suffix: str = ""
    content: bytes | None = None
    error: ImtransError | None = None
    remarks: Sequence[Remark] = ()


def result_files(
    translator: Translator,
    pictures: Iterable[Picture],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[ResultFile]:
    """The file of each picture's result, in their order, as `imtrans translate` writes it: of the
    picture's size, in its format where that loses nothing, else PNG or TIFF.

    A picture is a file, a member of a tar file or bytes (`imtrans.api.pictures.Picture`). Some
    dozens are read ahead, in `workers` threads (by default, one for each core); `batch_size` images
    go through the network together (by default, what suits the device). A picture that cannot be
    translated stops nothing.

    >>> import imtrans
    >>> from imtrans.api.pictures import Picture
    >>> with open("photo.jpg", "rb") as file:
    ...     photo = Picture("photo.jpg", content=file.read())
    >>> [made.suffix for made in imtrans.result_files(imtrans.load("my-task"), [photo])]
    ['.png']
    """
    early: dict[int, ResultFile] = {}
    turn = 0
    with TemporaryDirectory(prefix="imtrans-") as scratch, Threads(workers or usual_count()) as of:
        read = partial(_read, translator)
        passed = through(translator, enumerate(pictures), read, of, batch_size=batch_size)
        for number, made in _encoded(passed, translator, of, Path(scratch)):
            early[number] = made
            while turn in early:
                yield early.pop(turn)
                turn += 1


def _read(translator: Translator, numbered: Numbered) -> Given:
    try:
        return translator.given(numbered[1])
    except ValueError as error:  # a derivation was not given what it needs
        raise ImtransError(f"{numbered[1]}: {error}") from error


def _encoded(
    passed: Iterable[Passed[Numbered]], translator: Translator, threads: Threads, scratch: Path
) -> Iterator[tuple[int, ResultFile]]:
    """Each with its number, encoded in the threads. Few wait meanwhile."""
    waiting: deque[tuple[int, Future[ResultFile]]] = deque()
    limit = Limit(4 * threads.count)
    for one in passed:
        number = one.item[0]
        waiting.append((number, threads.submit(_result_file, one, translator, scratch)))
        if not isinstance(one.outputs, ImtransError):
            limit.heard(sum(output.nbytes for output in one.outputs))
        while len(waiting) > limit.now:
            before, future = waiting.popleft()
            yield before, future.result()
    for before, future in waiting:
        yield before, future.result()


def _result_file(one: Passed[Any], translator: Translator, scratch: Path) -> ResultFile:
    number, picture = one.item
    if isinstance(one.given, ImtransError):
        return ResultFile(picture, error=one.given)
    remarks = tuple(translator.remarks(one.given))
    suffix = _suffix(picture, translator)
    try:
        if isinstance(one.outputs, ImtransError):
            raise MemoryError  # of the device: nothing else is an error of the network
        pixels = translator.finished(one.outputs[0], one.given)
        place = scratch / f"{number}{suffix.lower()}"
        content = _content(picture, pixels, place, translator)
    except (MemoryError, RuntimeError, ImtransError) as error:
        if not (is_out_of_memory(error) or is_out_of_memory(error.__cause__ or error)):
            raise
        return ResultFile(picture, error=_too_large(picture, one.given))
    return ResultFile(picture, suffix, content, remarks=remarks)


def _too_large(picture: Picture, given: Given) -> ImtransError:
    height, width = given.size
    return ImtransError(f"{picture}: not enough memory for {width} x {height} px; scale it down")


def _content(picture: Picture, pixels: Tensor, place: Path, translator: Translator) -> bytes:
    """The bytes of a result's file, which is at `place` for a moment: one encoder needs a path."""
    source = place.with_suffix(".source")
    try:
        kept = _source(picture, source) if place.suffix in TIFF else source
        encode_like(kept, pixels, place, translator.encoding.result_dtype)
        return place.read_bytes()
    finally:
        for file in (source, place):
            file.unlink(missing_ok=True)


def _suffix(picture: Picture, translator: Translator) -> str:
    own = Path(picture.member or picture.path).suffix
    encoding = translator.encoding
    return KEPT.suffix_for(own, encoding.result_channels, encoding.result_dtype)


def _source(picture: Picture, place: Path) -> Path:
    """A file of the picture alone, whose tags the result may keep; at `place` if there is none."""
    content = picture.content
    if content is None and picture.member is None:
        return Path(picture.path)
    if content is None:
        with open(picture.path, "rb") as file:
            file.seek(picture.offset)
            content = file.read(picture.size)
    place.write_bytes(content)
    return place
