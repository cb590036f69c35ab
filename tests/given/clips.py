"""Tiny videos: frame i has a brightness of its own, so that its place can be told."""

from fractions import Fraction

import av
import numpy as np

RATE, FRAMES, STEP = 10, 12, 16
SOUND_RATE = 8000


def brightness(number):
    return 30 + STEP * (number % 12)


def write_clip(
    path,
    *,
    size=(64, 64),
    frames=FRAMES,
    codec="libx264",
    pix_fmt="yuv420p",
    sound=None,
    rotation=None,
    times=None,
    format=None,
):
    """A video of `frames` grey frames, with a bright top row of 16 px; `times` in units of 1/100 s;
    `sound`: the codec of a tone."""
    with av.open(str(path), "w", format=format) as out:
        video = out.add_stream(codec, rate=RATE)
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        if rotation is not None:
            video.set_display_rotation(rotation)
        if times:
            video.codec_context.time_base = Fraction(1, 100)
        tone = out.add_stream(sound, rate=SOUND_RATE, layout="mono") if sound else None
        for number in range(frames):
            pixels = np.full((size[1], size[0], 3), brightness(number), np.uint8)
            pixels[:16] = 235
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 100)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if tone:
            for at in range(0, frames * SOUND_RATE // RATE, 1024):
                wave = (np.sin(np.arange(at, at + 1024) / 5) * 0.3).astype(np.float32)[None]
                heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                heard.sample_rate, heard.pts = SOUND_RATE, at
                out.mux(tone.encode(heard))
            out.mux(tone.encode())
    return path


def read_clip(path):
    """The frames (H, W, 3) of a video, and their times in s."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(container.streams.video[0]))
        pixels = [np.rot90(one.to_ndarray(format="rgb24"), one.rotation // 90) for one in decoded]
        return pixels, [float(one.pts * one.time_base) for one in decoded]


def sound_of(path):
    """The packets of a video's sound, as bytes."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        packets = container.demux(streams[0]) if streams else ()
        return [bytes(packet) for packet in packets if packet.size]


def start_of_sound(path):
    """When the first packet of a video's sound is heard, in s."""
    with av.open(str(path)) as container:
        packet = next(container.demux(container.streams.audio[0]))
        return float(packet.pts * packet.time_base)
