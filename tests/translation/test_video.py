"""A video becomes a video: its frames in order, at their times, with its sound."""

import os
import signal
import sys
import time

import numpy as np
import pytest
import torch
from drawn import draw_picture
from forking import Child
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.cli.main import main
from imtrans.cli.translate_options import refuse_for_video
from imtrans.data.encoding import Direct
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable
from imtrans.translation.translator import Translator
from imtrans.translation.video.cut_off import is_cut_off
from imtrans.translation.video.place import check_encoding, result_place
from imtrans.translation.video.translating import open_clip, translate_clip

pytest.importorskip("av")

from clips import FRAMES, brightness, read_clip, sound_of, start_of_sound, write_clip

NEAR = 3  # grey levels, that two rounds of a lossy codec may move a flat picture


class Copied(nn.Module):
    """What is translated stays as it is; or becomes dark where it is bright."""

    stride = 1

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, source):
        return source * self.factor


def translator(factor=1.0, **sides):
    return Translator(
        Copied(factor), Direct(DataTable(root="x", **sides)), device=torch.device("cpu")
    )


def translated(clip, place, model=None, **options):
    model = model or translator()
    with open_clip(model, clip) as opened:
        return translate_clip(model, opened, place, **options)


def values(path):
    """The brightness of each frame below its bright rows."""
    return [float(frame[20:].mean()) for frame in read_clip(path)[0]]


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", sound="aac")


@pytest.fixture
def model(finished_run, tmp_path):
    finished_run(tmp_path / "runs" / "tiny")
    return ("--recipe", "tiny")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv", ".webm"])
def test_frames_are_in_order_at_their_times(tmp_path, clip, suffix):
    place = tmp_path / f"out{suffix}"
    outcome = translated(clip, place)
    assert (outcome.frames, outcome.broken) == (FRAMES, 0)
    expected = [brightness(number) for number in range(FRAMES)]
    assert values(place) == pytest.approx(expected, abs=NEAR)
    shift = read_clip(place)[1][0]  # Matroska has no times below 0, as the sound begins: all move
    assert [time - shift for time in read_clip(place)[1]] == pytest.approx(
        read_clip(clip)[1], abs=1.1e-3
    )
    if sound_of(place):
        assert start_of_sound(place) - shift == pytest.approx(start_of_sound(clip), abs=1e-3)


def test_each_is_what_the_translator_makes_of_it(tmp_path, clip):
    translated(clip, tmp_path / "out.mp4", translator(-1.0))
    expected = [255 - brightness(number) for number in range(FRAMES)]
    assert values(tmp_path / "out.mp4") == pytest.approx(expected, abs=NEAR)


def test_uneven_times_stay_as_they_are(tmp_path):
    times = [0, 10, 15, 40, 41, 90, 200, 210]
    uneven = write_clip(tmp_path / "uneven.mkv", frames=len(times), times=times)
    assert read_clip(uneven)[1] == [one / 100 for one in times]
    for name in ("out.mp4", "out.mkv", "out.webm"):
        translated(uneven, tmp_path / name)
        assert read_clip(tmp_path / name)[1] == pytest.approx([t / 100 for t in times], abs=1e-3)


def test_sound_is_copied_and_not_encoded_again(tmp_path, clip):
    for name in ("out.mp4", "out.mkv", "out.mov"):
        assert translated(clip, tmp_path / name).dropped == []
        assert sound_of(tmp_path / name) == sound_of(clip)


def test_sound_that_a_container_does_not_take_is_named(imtrans, model, clip, tmp_path):
    code, out, err = imtrans("translate", *model, "clip.mp4", "--output", "out.webm")
    assert (code, err) == (
        0,
        "note: clip.mp4: its sound (aac) cannot be kept in .webm; an --output in .mkv keeps it\n",
    )
    assert sound_of(tmp_path / "out.webm") == []


@pytest.mark.parametrize("size", [(65, 64), (64, 49), (33, 31), (66, 50)])
def test_odd_sizes_stay(tmp_path, size):
    odd = write_clip(tmp_path / "odd.mkv", size=size, codec="ffv1", pix_fmt="yuv444p", frames=3)
    for name in ("out.mp4", "out.webm"):
        translated(odd, tmp_path / name)
        frames, _ = read_clip(tmp_path / name)
        assert {frame.shape for frame in frames} == {(size[1], size[0], 3)}
    assert values(tmp_path / "out.mp4") == pytest.approx(values(odd), abs=NEAR)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_what_was_filmed_turned_comes_out_upright(tmp_path, rotation):
    turned = write_clip(tmp_path / "turned.mp4", size=(64, 48), rotation=rotation, frames=2)
    translated(turned, tmp_path / "out.mp4")
    seen, written = read_clip(turned)[0][0], read_clip(tmp_path / "out.mp4")[0][0]
    assert written.shape == seen.shape
    assert abs(written.astype(int) - seen).mean() < NEAR
    # Its bright rows were at the top of what the camera saw.
    sides = {"left": written[:, :8], "right": written[:, -8:], "bottom": written[-8:]}
    brightest = max(sides, key=lambda side: sides[side].mean())
    assert brightest == {90: "left", -90: "right", 180: "bottom"}[rotation]


def test_colours_stay(tmp_path):
    import av

    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 130, 90)]
    with av.open(str(tmp_path / "c.mkv"), "w") as out:
        video = out.add_stream("ffv1", rate=5)
        video.width, video.height, video.pix_fmt = 64, 64, "bgr0"
        for colour in colours:
            pixels = np.full((64, 64, 3), colour, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(video.encode())
    translated(tmp_path / "c.mkv", tmp_path / "out.mp4")
    for frame, colour in zip(read_clip(tmp_path / "out.mp4")[0], colours, strict=True):
        assert frame.reshape(-1, 3).mean(0) == pytest.approx(colour, abs=4)


def test_grey_recipes_see_and_make_grey(tmp_path, clip):
    grey = translator(-1.0, source=SideTable(channels=1), target=SideTable(channels=1))
    translated(clip, tmp_path / "out.mp4", grey)
    expected = [255 - brightness(number) for number in range(FRAMES)]
    assert values(tmp_path / "out.mp4") == pytest.approx(expected, abs=NEAR)


@pytest.mark.parametrize(
    ("side", "said"),
    [
        ({"source": SideTable(channels=4)}, "sources of this recipe have 4 channels of uint8"),
        ({"target": SideTable(dtype="uint16")}, "results of this recipe have 3 channels of uint16"),
    ],
)
def test_other_pixels_than_videos_have_are_refused(side, said):
    with pytest.raises(ImtransError, match=said):
        check_encoding(Direct(DataTable(root="x", **side)))


def test_a_moving_gif_and_an_avi_become_mp4(tmp_path):
    gif = write_clip(tmp_path / "a.gif", codec="gif", pix_fmt="rgb8", frames=4)
    avi = write_clip(tmp_path / "b.avi", codec="mpeg4", frames=4)
    for one in (gif, avi):
        place = result_place(one, None, "tiny")
        assert place.name == f"{one.stem}-tiny.mp4"
        assert translated(one, place).frames == 4
        assert read_clip(place)[1] == pytest.approx([0, 0.1, 0.2, 0.3], abs=0.011)


def test_the_command_writes_beside_it_and_replaces_its_own(imtrans, model, clip, tmp_path):
    for _ in range(2):
        code, out, err = imtrans("translate", *model, "clip.mp4")
        assert (code, err) == (0, "")
        assert out.startswith(f"clip-tiny.mp4: {FRAMES} frames (")
    assert imtrans("translate", *model, "clip.mp4", "--output", "new/out.mkv")[0] == 0
    assert imtrans("translate", *model, "clip.mp4", "--output", "folder")[0] == 0
    assert (tmp_path / "folder" / "clip.mp4").is_file()
    assert len(read_clip(tmp_path / "new" / "out.mkv")[0]) == FRAMES
    assert not list(tmp_path.rglob(".*.partial"))


def test_among_images_a_video_is_left_alone(imtrans, model, tmp_path):
    (tmp_path / "photos").mkdir()
    write_clip(tmp_path / "photos" / "clip.mp4", frames=2)
    draw_picture(1, (64, 64)).save(tmp_path / "photos" / "a.png")
    assert imtrans("translate", *model, "photos", "--output", "out")[0] == 0
    assert [name for name in left(tmp_path / "out") if name[0] != "."] == ["a.png"]


def only_sound(path):
    import av

    with av.open(str(path), "w") as out:
        tone = out.add_stream("aac", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        out.mux(tone.encode(silence))
        out.mux(tone.encode())


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("text.mp4", lambda path: path.write_text("no video at all\n" * 9), "not a video that can"),
        ("empty.mkv", lambda path: path.write_bytes(b""), "not a video that can be read"),
        ("sound.mp4", only_sound, "there is no video in it"),
        ("cut.mp4", lambda path: (write_clip(path), cut(path)), "it is cut off"),
        ("cut.mkv", lambda path: (write_clip(path), cut(path)), "it is cut off"),
        ("cut.webm", lambda path: (write_clip(path, codec="libvpx"), cut(path)), "it is cut off"),
        ("cut.avi", lambda path: (write_clip(path, codec="mpeg4"), cut(path)), "it is cut off"),
        ("gone.mp4", lambda path: None, "no such file or folder"),
    ],
)
def test_what_cannot_be_read_is_one_line(imtrans, model, tmp_path, name, spoil, said):
    spoil(tmp_path / name)
    before = left(tmp_path)
    code, out, err = imtrans("translate", *model, name)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith(f"error: {name}: ")
    assert said in err
    assert left(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("clip.mp4", "clip.mp4: exists already, and is not the result of a translation"),
        ("other.mp4", "other.mp4: exists already, and is not"),
        ("out.avi", "videos are written as .mp4"),
        ("file.txt/out.mp4", "cannot be written: "),
    ],
)
def test_what_cannot_be_written_is_one_line(imtrans, model, clip, tmp_path, output, said):
    write_clip(tmp_path / "other.mp4", frames=1)
    (tmp_path / "file.txt").write_text("a file")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    code, out, err = imtrans("translate", *model, "clip.mp4", "--output", output)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".webm"])
def test_a_whole_file_is_not_cut_off(tmp_path, suffix):
    codec = {".avi": "mpeg4", ".webm": "libvpx"}.get(suffix, "libx264")
    assert not is_cut_off(write_clip(tmp_path / f"a{suffix}", codec=codec, frames=3))


def test_parts_that_cannot_be_decoded_are_counted(imtrans, model, tmp_path):
    path = write_clip(tmp_path / "worn.mkv", codec="ffv1", pix_fmt="yuv444p", frames=6)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(range(40))
    path.write_bytes(content)
    code, out, err = imtrans("translate", *model, "worn.mkv")
    assert code in (0, 1)  # FFmpeg conceals what it can
    assert not err or "cannot be decoded" in err
    assert (tmp_path / "worn-tiny.mkv").is_file()


def test_frames_that_change_their_size_are_refused(tmp_path, clip):
    model, sizes = translator(), iter(range(64, 90))
    model.finished = lambda output, given: torch.zeros(3, 64, next(sizes), dtype=torch.uint8)
    with pytest.raises(ImtransError, match="its frames change their size"):
        translated(clip, tmp_path / "out.mp4", model)
    assert left(tmp_path) == ["clip.mp4"]


def test_few_frames_are_in_memory_at_once(tmp_path, monkeypatch):
    long = write_clip(tmp_path / "long.mp4", frames=60, sound="aac")
    model, waiting, most = translator(), [0], [0]
    given, result = model.given, model.finished

    def counted(picture):
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        return given(picture)

    def done(*what):
        waiting[0] -= 1
        return result(*what)

    monkeypatch.setattr(model, "given", counted)
    monkeypatch.setattr(model, "finished", done)
    assert translated(long, tmp_path / "out.mp4", model).frames == 60
    assert most[0] <= 9


def in_a_process(folder, limit, arguments):
    """What a child does: the command line, with a limit on the size of files."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os.chdir(folder)
    sys.argv = ["imtrans", *arguments]
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_full_disk_is_one_line_and_leaves_nothing(model, clip, tmp_path):
    before = left(tmp_path)
    words = ["translate", *model, "clip.mp4"]
    child = Child(tmp_path.with_name(f"{tmp_path.name}-full"), in_a_process, tmp_path, 2000, words)
    assert child.wait() == 2
    assert child.err.startswith("error: clip-tiny.mp4: cannot be written: ")
    assert child.err.count("\n") == 1
    assert left(tmp_path) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_interrupt_leaves_nothing(model, tmp_path):
    write_clip(tmp_path / "long.mp4", frames=900, size=(128, 128))
    words = ["translate", *model, "long.mp4"]
    child = Child(tmp_path.with_name(f"{tmp_path.name}-stopped"), in_a_process, tmp_path, 0, words)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".long-tiny.mp4.partial")):
        assert child.poll() is None, child.err
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGINT)
    assert child.wait() == 130
    assert child.err in ("", "error: interrupted\n")
    assert not [name for name in left(tmp_path) if "long-tiny" in name]


def test_without_the_extra_a_line_says_how_to_get_it(imtrans, model, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = imtrans("translate", *model, "clip.mp4")
    assert (code, err) == (2, 'error: video needs PyAV: pip install "imtrans[video]"\n')


@pytest.mark.parametrize(
    ("parameter", "option"), [("list_", "list"), ("batch_size", "batch-size"), ("tile", "tile")]
)
def test_options_that_are_for_images_alone_are_refused(parameter, option):
    with pytest.raises(ImtransError, match=f"^--{option} is for images, not for videos"):
        refuse_for_video({"samples": None, "device": "cpu", parameter: 2})
