"""Full disks, kills, two at once, odd files: nothing lost, nothing half-written, one line each."""

import mmap
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from drawn import draw_picture
from forking import Child
from operations import instants, one_of_each, read
from translated_trees import emptied, hidden, pictures, shown

from imtrans.cli.main import main
from imtrans.data.pixels.formats.complete import is_complete
from imtrans.host.locks import locked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and numbers operations")


def more(value):
    return pytest.param(value, marks=pytest.mark.thorough)


ROOM = 1 << 20  # bytes, for the record of operations
NAMES = ("0.png", "1.png", "sub/2.png", "sub/3.jpg")


@pytest.fixture
def model(finished_run, tmp_path):
    """A trained run, and a folder of pictures."""
    finished_run(tmp_path / "runs" / "tiny")
    pictures(tmp_path / "in", *NAMES, size=(64, 64))
    return ("translate", "--recipe", "tiny", "--size", "native", "--device", "cpu")


class Commands:
    """Runs commands of imtrans in children of this process, which have imported all there is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def begin(self, *arguments, order=None, before=lambda: None) -> Child:
        self.count += 1
        self.record = mmap.mmap(-1, ROOM)
        folder = self.folder / "children" / f"{self.count}"
        return Child(folder, self._run, arguments, order, before)

    def __call__(self, *arguments, **how) -> Child:
        child = self.begin(*arguments, **how)
        child.wait()
        self.operations = read(self.record)
        return child

    def _run(self, arguments, order, before) -> None:
        from numbering import Numbering

        os.environ["COLUMNS"] = "200"
        os.chdir(self.folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if order is not None:
            Numbering("out", self.record, order).begin()
        before()
        sys.argv = ["imtrans", *map(str, arguments)]
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


@pytest.fixture
def commands(tmp_path):
    return Commands(tmp_path)


@pytest.fixture
def whole(commands, model, tmp_path):
    """What an uninterrupted translation leaves, and the operations on files that it takes."""
    # One by one: an image that is left alone may be rounded otherwise than in a batch.
    command = (*model, "in", "--output", "out", "--workers", "2", "--batch-size", "1")
    assert commands(*command, order={}).wait() == 0
    found = shown(tmp_path / "out")
    assert sorted(found) == ["0.png", "1.png", "sub/2.png", "sub/3.png"]
    assert hidden(tmp_path / "out") == []
    operations = commands.operations
    emptied(tmp_path / "out")
    return command, found, operations


def made_again(operation, number, operations):
    """Whether a folder is made that was made before: threads that write at once may each find it
    missing, or only the first, so this operation need not come in another translation."""
    if operation.kind != "mkdir":
        return False
    return any(
        (one.kind, one.path) == ("mkdir", operation.path) for one in operations[: number - 1]
    )


def surely_come(operations):
    """One instant of each kind, of operations that every translation has."""
    found = instants(operations)
    return one_of_each(x for x in found if not made_again(x.operation, x.number, operations))


def check_whole_files(output, expected):
    """Every file that can be seen is whole: that of an uninterrupted translation."""
    there = shown(output) if output.exists() else {}
    assert there.items() <= expected.items()
    return there


@pytest.mark.thorough
def test_killed_anywhere_and_begun_again_it_ends_as_if_nothing_had_been(commands, whole, tmp_path):
    command, expected, operations = whole
    chosen = surely_come(operations)
    assert len(chosen) > 9
    for instant in chosen:
        emptied(tmp_path / "out")
        child = commands(*command, order=instant.order())
        assert child.wait() == -signal.SIGKILL, (str(instant), child.err)
        there = check_whole_files(tmp_path / "out", expected)
        again = commands(*command)
        assert (again.wait(), again.err) == (0, ""), str(instant)
        assert again.out.startswith(f"{4 - len(there)} image"), str(instant)
        assert shown(tmp_path / "out") == expected
        assert hidden(tmp_path / "out") == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "act", ["full", *(pytest.param(act, marks=pytest.mark.soak) for act in ("forbidden", "broken"))]
)
def test_a_disk_that_fails_anywhere_is_one_line(commands, whole, tmp_path, act):
    command, expected, operations = whole
    words = {"full": "no space left on device", "forbidden": "denied", "broken": "input/output"}
    chosen = [one for one in surely_come(operations) if not one.operation.removes]
    for instant in chosen:
        emptied(tmp_path / "out")
        child = commands(*command, order={**instant.order(act), "lasting": True})
        words_here = "file too large" if instant.inside else words[act]
        assert (child.wait(), child.err.count("\n")) == (2, 1), (str(instant), child.err)
        assert words_here in child.err, str(instant)
        assert child.err.startswith("error: out"), str(instant)
        check_whole_files(tmp_path / "out", expected)
        assert commands(*command).wait() == 0
        assert shown(tmp_path / "out") == expected
        assert hidden(tmp_path / "out") == []


@contextmanager
def small_disk(place: Path, size: str):
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a small file system here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_ends_with_one_line_and_continues_with_more_room(commands, model, tmp_path):
    for number in range(4, 40):
        draw_picture(number, (64, 64)).save(tmp_path / "in" / f"{number}.png")
    command = (*model, "in", "--output", "out")
    with small_disk(tmp_path / "out", "200k"):
        child = commands(*command)
        assert (child.wait(), child.err.count("\n")) == (2, 1)
        assert "cannot be written: no space left on device" in child.err
        there = shown(tmp_path / "out")
        assert 0 < len(there) < 40
        assert hidden(tmp_path / "out") == []
        assert all(is_complete(tmp_path / "out" / name) for name in there)
        subprocess.run(["mount", "-o", "remount,size=4m", tmp_path / "out"], check=True)
        again = commands(*command)
        assert (again.wait(), again.err) == (0, "")
        assert again.out.startswith(f"{40 - len(there)} images in out, {len(there)} there already")
        assert there.items() <= shown(tmp_path / "out").items()


def as_nobody():
    os.setgid(65534)
    os.setuid(65534)


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="needs root")
def test_a_folder_that_may_not_be_written_is_one_line(commands, model, tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            if folder.is_relative_to("/tmp/pytest-of-root"):
                folder.chmod(0o755)
    (tmp_path / "out").mkdir()
    for output in ("out", "out/new", "new"):
        child = commands(*model, "in", "--output", output, before=as_nobody)
        assert child.wait() == 2
        assert child.err == f"error: {output}: cannot be written: permission denied\n"
    child = commands(*model, "in/0.png", before=as_nobody)
    assert child.wait() == 2
    assert child.err == "error: in/0-tiny.png: cannot be written: permission denied\n"


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize("number", [more(signal.SIGINT), more(signal.SIGTERM), signal.SIGKILL])
def test_a_signal_in_the_middle_leaves_what_is_whole(commands, model, tmp_path, number):
    for index in range(4, 400):
        os.link(tmp_path / "in/0.png", tmp_path / "in" / f"{index}.png")
    command = (*model, "in", "--output", "out", "--batch-size", "1")
    child = commands.begin(*command)
    wait_for(lambda: len(list((tmp_path / "out").glob("*.png"))) > 5)
    os.kill(child.pid, number)
    code = child.wait()
    if number == signal.SIGINT:
        assert (code, child.err) == (130, "interrupted; the same command continues\n")
        assert hidden(tmp_path / "out") == []
    else:
        assert code == -number
    there = shown(tmp_path / "out")
    assert 5 < len(there) < 400
    again = commands(*command)
    assert (again.wait(), again.err) == (0, "")
    found = shown(tmp_path / "out")
    assert len(found) == 400
    assert there.items() <= found.items()
    assert {found[f"{index}.png"] for index in range(4, 400)} == {found["0.png"]}
    assert hidden(tmp_path / "out") == []


def test_of_two_at_one_output_the_second_is_refused(commands, model, tmp_path):
    for index in range(4, 60):
        os.link(tmp_path / "in/0.png", tmp_path / "in" / f"{index}.png")
    command = (*model, "in", "--output", "out", "--batch-size", "1")
    first = commands.begin(*command)
    wait_for(lambda: len(list((tmp_path / "out").glob("*.png"))) > 1)
    os.kill(first.pid, signal.SIGSTOP)  # else it may end meanwhile
    try:
        second = commands(*command, "--overwrite")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.wait() == 2
    assert second.err.startswith("error: out: another translation writes there. wait for it, or ")
    assert second.err.count("\n") == 1
    assert (first.wait(), first.err) == (0, "")
    assert len(shown(tmp_path / "out")) == 60


def test_of_two_at_one_file_the_second_is_refused(imtrans, model, tmp_path):
    with locked(tmp_path / ".new.png.lock"):
        code, _, err = imtrans(*model, "in/0.png", "--output", "new.png")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("error: new.png: another translation writes it. wait for it, or ")
    assert imtrans(*model, "in/0.png", "--output", "new.png")[0] == 0
    assert sorted(path.name for path in tmp_path.glob("*new.png*")) == ["new.png"]
