"""From one video to another, frame by frame."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.data.encoding import Given
from imtrans.translation.together import Together
from imtrans.translation.translator import Remark, Translator
from imtrans.translation.video.place import check_encoding
from imtrans.translation.video.reading import Clip, Frame, Times
from imtrans.translation.video.writing import VideoWriter


@dataclass
class TranslatedClip:
    """What became of a video."""

    frames: int = 0
    broken: int = 0  # parts that could not be decoded, and are missing
    dropped: list[str] = field(default_factory=list)  # codecs of sounds that are not kept
    remarks: list[Remark] = field(default_factory=list)  # of the first frame


def translate_frames(translator: Translator, frames: Iterable[Given]) -> Iterator[Tensor]:
    """The results of frames, in order: uint8 (C, H, W). Neighbours of one size go through the
    network together."""
    together = Together(translator)
    for shape, run in groupby(frames, lambda given: given.source.shape):
        most = together.most(shape, shape)
        while some := list(islice(run, most)):
            outputs = together.outputs([given.source for given in some])
            yield from map(translator.finished, outputs, some)


def translate_clip(
    translator: Translator,
    clip: Clip,
    place: Path,
    on_done: Callable[[], None] = lambda: None,
) -> TranslatedClip:
    """Translate an open video into a file: same times, same sizes, sound as it is stored.

    Few frames are in memory at once. Raises ImtransError, and leaves nothing, where the video
    cannot be read, what it becomes cannot be written, or memory has no room for a frame.
    """
    outcome = TranslatedClip()
    waiting: deque[Times] = deque()  # of frames whose results are still to come
    with VideoWriter(place, clip) as writer:
        given = _given(translator, clip, writer, waiting, outcome)
        try:
            for result in translate_frames(translator, given):
                writer.write(result, waiting.popleft())
                outcome.frames += 1
                on_done()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ImtransError(
                f"{clip.path}: not enough memory for a frame. scale the video down, or use --size"
            ) from error
        if not outcome.frames:
            raise ImtransError(f"{clip.path}: no frame of it can be decoded")
        outcome.broken, outcome.dropped = clip.broken, writer.dropped
    return outcome


def open_clip(translator: Translator, path: Path) -> Clip:
    """A video whose frames are as the translator takes them. Raises ImtransError."""
    return Clip(path, check_encoding(translator.encoding))


def _given(
    translator: Translator,
    clip: Clip,
    writer: VideoWriter,
    waiting: deque[Times],
    outcome: TranslatedClip,
) -> Iterator[Given]:
    """Each frame as the network is to see it; sound goes past it to the writer."""
    first = True
    for part in clip.parts():
        if not isinstance(part, Frame):
            writer.hear(part)
            continue
        try:
            given = translator.given(part.picture)
        except ValueError as error:  # a derivation was not given what it needs
            raise ImtransError(f"{clip.path}: {error}") from error
        if first:
            outcome.remarks, first = list(translator.remarks(given)), False
        waiting.append(part.times)
        yield given
