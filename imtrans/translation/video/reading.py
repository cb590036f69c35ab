"""The frames of a video, upright and in order, with their times; and its sound, as it is stored."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.host.foreign import reason
from imtrans.translation.video.cut_off import is_cut_off
from imtrans.translation.video.place import pyav

UNKNOWN = 2  # FFmpeg's number of a colour space that is not named
HIGH = 720  # px of height, from which on an unnamed one is BT.709
RATE = Fraction(25)  # frames/s where a file has none


class Times(NamedTuple):
    """When a frame is shown, and for how long, in units of the clip's time_base."""

    pts: int
    duration: int  # 0 where it is not known


class Frame(NamedTuple):
    picture: Picture  # stored pixels, as a file would have them
    times: Times


class Clip:
    """An open video. Raises ImtransError where it is none, or cut off. A context manager."""

    def __init__(self, path: Path, channels: int) -> None:
        self.path, self.channels = path, channels
        self.broken = 0  # parts that could not be decoded
        self._av = av = pyav()
        try:
            if is_cut_off(path):
                raise ImtransError(f"{path}: it is cut off: its end is missing. use another copy")
            self._container = av.open(str(path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise ImtransError(f"{path}: not a video that can be read: {said(error)}") from error
        if not self._container.streams.video:
            self._container.close()
            raise ImtransError(f"{path}: there is no video in it")
        self.video: Any = self._container.streams.video[0]
        self.video.thread_type = "AUTO"
        self.sounds: list[Any] = list(self._container.streams.audio)
        self.rate: Fraction = self.video.average_rate or self.video.guessed_rate or RATE
        self.time_base: Fraction = self.video.time_base or 1 / self.rate
        self._next = 0  # the time of a frame that has none
        self.quarter_turns = 0  # by which the last frame was turned, counterclockwise

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def frames(self) -> int:
        """About how many; 0 where nothing says it."""
        if self.video.frames:
            return int(self.video.frames)
        seconds = (self._container.duration or 0) / self._av.time_base
        return round(seconds * self.rate)

    def parts(self) -> Iterator[Any]:
        """Frames, and packets of its sounds, as they come in the file. Raises ImtransError when the
        file cannot be read any more."""
        try:
            for packet in self._container.demux(self.video, *self.sounds):
                if packet.stream is not self.video:
                    yield packet
                    continue
                for frame in self._decoded(packet):
                    yield self._upright(frame)
        except self._av.FFmpegError as error:
            raise ImtransError(f"{self.path}: cannot be read to its end: {said(error)}") from error

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except self._av.FFmpegError:
            self.broken += 1
            return []

    def _upright(self, frame: Any) -> Frame:
        unnamed = frame.colorspace == UNKNOWN and frame.height >= HIGH
        pixels: NDArray[np.uint8] = frame.to_ndarray(
            format="rgb24", **({"src_colorspace": "ITU709"} if unnamed else {})
        )
        self.quarter_turns = round(frame.rotation / 90) % 4
        pixels = np.rot90(pixels, self.quarter_turns)
        if self.channels == 1:
            pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))
        pts = self._next if frame.pts is None else frame.pts
        duration = int(getattr(frame, "duration", 0) or 0)
        self._next = pts + (duration or round(1 / (self.rate * self.time_base)))
        return Frame(_picture(self.path, pixels), Times(pts, duration))


def _picture(path: Path, pixels: NDArray[np.uint8]) -> Picture:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(pixels), allow_pickle=False)
    return Picture(str(path), content=file.getvalue())


def said(error: BaseException) -> str:
    """What FFmpeg says, without the path, which is said already."""
    text = getattr(error, "strerror", None) or reason(error)
    return str(text).lower()
