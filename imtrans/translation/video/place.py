"""Which videos are read, where results go, and which recipes can have them."""

import sys
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Encoding


class Container(NamedTuple):
    """How a video is written: names of FFmpeg's, and the options of its encoder."""

    format: str
    codec: str
    options: dict[str, str]


# So little is lost that what is seen is the network's work.
H264 = {"crf": "14", "preset": "medium"}
VP9 = {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
WRITTEN = {
    ".mp4": Container("mp4", "libx264", H264),
    ".m4v": Container("mp4", "libx264", H264),
    ".mov": Container("mov", "libx264", H264),
    ".mkv": Container("matroska", "libx264", H264),
    ".webm": Container("webm", "libvpx-vp9", VP9),
}
READ = (*WRITTEN, ".avi", ".gif")
USUAL = ".mp4"  # of what is only read: an .avi has no times of frames
SIGNED = "translated by imtrans"  # in a result's metadata, as `comment`


def pyav() -> Any:
    """PyAV. Raises ImtransError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise ImtransError('video needs PyAV: pip install "imtrans[video]"') from error
    return av


def is_video(path: Path) -> bool:
    """Whether a path is that of a video, by its name."""
    return path.suffix.lower() in READ and not path.is_dir()


def result_place(clip: Path, output: Path | None, name: str) -> Path:
    """Where the result of a video goes: CLIP-NAME beside it, to a file, or into a folder. Raises
    ImtransError where there is no such video, or something else would be replaced."""
    if not clip.is_file():
        raise ImtransError(f"{clip}: no such file or folder")
    suffix = clip.suffix if clip.suffix.lower() in WRITTEN else USUAL
    if output is None:
        place = clip.with_name(f"{clip.stem}-{name}{suffix}")
    elif output.suffix.lower() in READ and not output.is_dir():
        place = output
    else:
        place = output / f"{clip.stem}{suffix}"
    if place.suffix.lower() not in WRITTEN:
        raise ImtransError(
            f"{place}: videos are written as {', '.join(WRITTEN)}. use "
            f"--output {quote(str(place.with_suffix(USUAL)))}"
        )
    if place.exists() and (place.samefile(clip) or not _is_ours(place)):
        raise ImtransError(
            f"{place}: exists already, and is not the result of a translation. choose another "
            "--output"
        )
    return place


def _is_ours(path: Path) -> bool:
    """Whether a video says that imtrans wrote it."""
    av = pyav()
    try:
        with av.open(str(path)) as container:
            return SIGNED in container.metadata.values()
    except (av.FFmpegError, OSError, ValueError):
        return False  # whatever it is, it is not ours


def check_encoding(encoding: Encoding) -> int:
    """The channels of the frames that a recipe takes, 1 or 3. Raises ImtransError where videos
    cannot hold its sources or targets."""
    # A derivation takes photographs, RGB of 8 bits.
    side = getattr(getattr(encoding, "source", None), "table", None)
    channels, dtype = (side.channels, side.dtype) if side else (3, "uint8")
    for what, (count, depth) in {
        "sources": (channels, dtype),
        "results": (encoding.result_channels, encoding.result_dtype),
    }.items():
        if count not in (1, 3) or depth != "uint8":
            raise ImtransError(
                f"videos have frames of 8 bits, RGB or grey; the {what} of this recipe have "
                f"{count} channels of {depth}. translate single images"
            )
    return int(channels)


def is_a_fault(error: BaseException) -> bool:
    """Whether an error is of FFmpeg's, or of the disk."""
    av = sys.modules.get("av")
    return isinstance(error, OSError | ValueError) or (
        av is not None and isinstance(error, av.FFmpegError)
    )
