"""A video as it is written: beside its place, and renamed when it is whole."""

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.translation.video.place import SIGNED, WRITTEN, is_a_fault, pyav
from imtrans.translation.video.reading import Clip, Times, said

BT709 = 1  # FFmpeg's number of it, as matrix, primaries and transfer
LIMITED = 1  # 16 ... 235, as all players expect


class VideoWriter:
    """Frames of results and packets of sound into a file, in any order that a clip has them.

    A context manager: when its block ends the file is there, whole; when it is left by an error,
    Ctrl-C among them, nothing is. Raises ImtransError where it cannot be written.
    """

    def __init__(self, path: Path, clip: Clip) -> None:
        self.path, self._clip = path, clip
        self.dropped: list[str] = []  # codecs of sounds that the container does not take
        self._partial = path.with_name(f".{path.name}.partial")
        self._av = pyav()
        self._kind = WRITTEN[path.suffix.lower()]
        self._size: tuple[int, int] | None = None
        self._sounds: dict[int, Any] = {}
        self._before: list[Any] = []  # sound from before the first frame, whose size is needed

    def __enter__(self) -> "VideoWriter":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = self._av.open(str(self._partial), "w", format=self._kind.format)
            self._container.metadata["comment"] = SIGNED
            self._video: Any = self._container.add_stream(
                self._kind.codec, rate=self._clip.rate, options=dict(self._kind.options)
            )
            self._add_sounds()
        except Exception as error:
            self._discard()
            raise self._fault(error) from error
        return self

    def _add_sounds(self) -> None:
        for sound in self._clip.sounds:
            codec = sound.codec_context.name if sound.codec_context else "unknown"
            try:
                if sound.codec_context.codec.canonical_name not in self._container.supported_codecs:
                    raise ValueError(codec)
                self._sounds[sound.index] = self._container.add_stream_from_template(sound)
            except (self._av.FFmpegError, AttributeError, ValueError):
                self.dropped.append(codec)

    def write(self, result: Tensor, times: Times) -> None:
        """Write a result (1 or 3, H, W) of 8 bits, at the times of its frame."""
        size = result.shape[-1], result.shape[-2]
        if self._size is None:
            self._begin(*size)
        if self._size != size:
            raise ImtransError(
                f"{self._clip.path}: its frames change their size, from "
                f"{' x '.join(map(str, self._size or ()))} to {' x '.join(map(str, size))} px. cut "
                "it there"
            )
        self._mux(self._encoded(result, times))

    def hear(self, packet: Any) -> None:
        """Write a packet of a sound, as it is; packets of sounds that are dropped are not."""
        stream = self._sounds.get(packet.stream.index)
        if stream is None or packet.dts is None:  # the last is empty
            return
        packet.stream = stream
        if self._size is None:
            self._before.append(packet)
        else:
            self._mux([packet])

    def _begin(self, width: int, height: int) -> None:
        """The first result says the size."""
        video, context = self._video, self._video.codec_context
        video.width, video.height = self._size = (width, height)
        # Half the colours, as all players expect; H.264 has that for even sizes only.
        even = width % 2 == 0 and height % 2 == 0
        video.pix_fmt = "yuv420p" if even or self._kind.codec != "libx264" else "yuv444p"
        context.time_base = self._clip.time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        if ratio := self._clip.video.sample_aspect_ratio:
            turned = self._clip.quarter_turns % 2
            context.sample_aspect_ratio = 1 / Fraction(ratio) if turned else ratio
        for packet in self._before:
            self._mux([packet])
        self._before.clear()

    def _encoded(self, result: Tensor, times: Times) -> list[Any]:
        pixels = result.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
        made = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        made = made.reformat(
            format=self._video.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        made.pts, made.time_base = times.pts, self._clip.time_base
        if times.duration:
            with suppress(AttributeError):
                made.duration = times.duration
        try:
            return list(self._video.encode(made))
        except Exception as error:
            raise self._fault(error) from error

    def _mux(self, packets: list[Any]) -> None:
        try:
            self._container.mux(packets)
        except Exception as error:
            raise self._fault(error) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._end()
        finally:
            self._discard()

    def _end(self) -> None:
        try:
            self._container.mux(self._video.encode())
            self._container.close()
            with open(self._partial, "rb") as file:
                os.fsync(file.fileno())
            os.replace(self._partial, self.path)
        except Exception as error:
            raise self._fault(error) from error

    def _discard(self) -> None:
        """Close what is open, and remove what is not whole."""
        with suppress(Exception):  # it writes an end, which nobody needs
            self._container.close()
        with suppress(OSError):
            self._partial.unlink()

    def _fault(self, error: BaseException) -> BaseException:
        if is_a_fault(error):
            return ImtransError(f"{self.path}: cannot be written: {said(error)}")
        return error
