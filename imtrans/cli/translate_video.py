"""`imtrans translate CLIP.mp4`: what is said of a video."""

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from imtrans.cli.common import console, echo, progress, say

if TYPE_CHECKING:
    from imtrans.translation.translator import Translator
    from imtrans.translation.video.translating import TranslatedClip


def translate_video(translator: "Translator", path: Path, output: Path | None, name: str) -> int:
    """Translate a video, with a progress bar over its frames; returns the exit code."""
    from imtrans.translation.video.place import result_place
    from imtrans.translation.video.translating import open_clip, translate_clip

    out, start = console(), monotonic()
    place = result_place(path, output, name)
    with open_clip(translator, path) as clip:
        with progress(out, "translating frames", clip.frames) as advance:
            done = translate_clip(translator, clip, place, advance)
    _notes(path, place, done)
    rate = done.frames / max(monotonic() - start, 1e-9)
    say(out, f"{place}: {done.frames} frames ({rate:.1f} frames/s)")
    return 1 if done.broken else 0


def _notes(path: Path, place: Path, done: "TranslatedClip") -> None:
    from imtrans.host.words import counted

    for remark in done.remarks:
        remedy = ". --size chooses another size" if remark.kind == "size" else ""
        echo(f"note: {path}: {remark.text}{remedy}", err=True)
    for codec in done.dropped:
        echo(
            f"note: {path}: its sound ({codec}) cannot be kept in {place.suffix}; an --output in "
            ".mkv keeps it",
            err=True,
        )
    if done.broken:
        parts = counted(done.broken, "part")
        echo(
            f"skipped: {path}: {parts} of it cannot be decoded, and their frames are missing",
            err=True,
        )
